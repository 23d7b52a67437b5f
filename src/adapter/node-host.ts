/**
 * How a node writes itself into SIP messages that travel between adapters: a host name made of its
 * Node-ID. It is a valid SIP host, can never be looked up in DNS (RFC 6761 §6.4), and names the way back
 * after a connection was lost. The port is the Application-ID (5060 SIP, 5061 SIPS).
 */
import type { NodeId } from '../base/ids.ts';
import { parseNodeId } from '../base/ids.ts';

const suffix = '.node.invalid';

export function hostOfNode(nodeId: NodeId): string {
  return nodeId + suffix;
}

/** The Node-ID in a host name; `undefined` for any other host. */
export function nodeOfHost(host: string): NodeId | undefined {
  if (!host.toLowerCase().endsWith(suffix)) return undefined;
  return parseNodeId(host.slice(0, -suffix.length));
}
