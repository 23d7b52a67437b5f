/** SIP messages as lines, for test partners that must not share code with what is tested. */
export interface SipLines {
  start: string;
  headers: [name: string, value: string][];
  body: string;
}

export function readLines(text: string): SipLines {
  const end = text.indexOf('\r\n\r\n');
  const [start = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  });
  return { start, headers, body: text.slice(end + 4) };
}

/** Cuts a stream into whole messages by Content-Length. */
export function createCutter(message: (text: string) => void): (bytes: Buffer) => void {
  let buffered = '';
  return (bytes) => {
    buffered += bytes.toString('latin1');
    for (let end = buffered.indexOf('\r\n\r\n'); end >= 0; end = buffered.indexOf('\r\n\r\n')) {
      const length = /^content-length:\s*(\d+)/im.exec(buffered.slice(0, end))?.[1] ?? '0';
      const whole = end + 4 + Number(length);
      if (buffered.length < whole) return;
      message(buffered.slice(0, whole));
      buffered = buffered.slice(whole);
    }
  };
}

export function writeLines({ start, headers, body }: SipLines): string {
  return [start, ...headers.map(([name, value]) => `${name}: ${value}`), '', body].join('\r\n');
}

export function header(message: SipLines, name: string): string | undefined {
  return message.headers.find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
}

export function headersOf(message: SipLines, name: string): string[] {
  return message.headers
    .filter(([key]) => key.toLowerCase() === name.toLowerCase())
    .map(([, value]) => value);
}

/** Takes the topmost header of that name away. */
export function takeFirst(message: SipLines, name: string): string | undefined {
  const at = message.headers.findIndex(([key]) => key.toLowerCase() === name.toLowerCase());
  return at < 0 ? undefined : message.headers.splice(at, 1)[0]?.[1];
}

export function setFirst(message: SipLines, name: string, value: string): void {
  const at = message.headers.findIndex(([key]) => key.toLowerCase() === name.toLowerCase());
  if (at < 0) message.headers.push([name, value]);
  else message.headers[at] = [name, value];
}

export function param(value: string | undefined, name: string): string | undefined {
  const match = new RegExp(`;\\s*${name}(?:=([^;>\\s]*))?(?=[;>\\s]|$)`, 'i').exec(value ?? '');
  return match === null ? undefined : (match[1] ?? '');
}

export interface Place {
  readonly transport: string;
  readonly host: string;
  readonly port: number;
}

/** Where a URI with a numeric host leads. */
export function placeOf(uri: string): Place {
  const match = /^<?sips?:(?:[^@>]*@)?([^:;>]+)(?::(\d+))?/i.exec(uri.trim());
  if (match?.[1] === undefined) throw new Error(`no SIP URI: ${uri}`);
  const transport = param(uri, 'transport')?.toLowerCase() ?? 'udp';
  return { transport, host: match[1], port: Number(match[2] ?? 5060) };
}
