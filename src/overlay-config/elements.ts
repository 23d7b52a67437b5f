/** Reading children and attributes of a configuration document with errors that name them. */
import type { XmlElement } from '../ports/xml.ts';
import { refuse } from './values.ts';

export function childrenNamed(
  parent: XmlElement,
  namespace: string,
  name: string,
): readonly XmlElement[] {
  return parent.children.filter((c) => c.name === name && c.namespace === namespace);
}

/** The child of that name; more than one is an error. */
export function optionalChild(
  parent: XmlElement,
  namespace: string,
  name: string,
): XmlElement | undefined {
  const found = childrenNamed(parent, namespace, name);
  if (found.length > 1) return refuse(tag(name), 'must not appear more than once');
  return found[0];
}

export function requiredChild(parent: XmlElement, namespace: string, name: string): XmlElement {
  const found = optionalChild(parent, namespace, name);
  return found ?? refuse(tag(parent.name), `must contain ${tag(name)}`);
}

/** An attribute without namespace. */
export function attribute(element: XmlElement, name: string): string | undefined {
  return element.attributes.find((a) => a.name === name && a.namespace === '')?.value;
}

export function requiredAttribute(element: XmlElement, name: string): string {
  return attribute(element, name) ?? refuse(tag(element.name), `needs the attribute ${name}`);
}

export function tag(name: string): string {
  return `<${name}>`;
}
