/** Entries of the settings schema that occur often. */
export interface NumberEntry {
  doc: string;
  format: string;
  default: number;
  env: string;
}

/** A whole number, 0 or more. */
export function positive(doc: string, fallback: number, env: string): NumberEntry {
  return { doc, format: 'whole-number', default: fallback, env };
}

export function port(doc: string, fallback: number, env: string): NumberEntry {
  return { doc, format: 'port-number', default: fallback, env };
}
