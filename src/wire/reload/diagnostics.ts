/** Diagnostics: extension Diagnostic_Ping and PathTrack. RFC 7851 §4. */
import { opaque, struct, u16, u64, u8, vector, type Codec, type Infer } from '../codec.ts';
import { destination } from './destination.ts';

/** A vector of 4-byte prefix whose byte count also stands before it; both must agree. */
function countedTwice<T>(element: Codec<T>): Codec<readonly T[]> {
  const list = vector(element, 4);
  return {
    encode(value, writer) {
      const at = writer.open(4);
      list.encode(value, writer);
      writer.patch(at, 4, writer.length - at - 8);
    },
    decode(reader) {
      const extLength = reader.u32();
      const start = reader.offset;
      const value = list.decode(reader);
      if (reader.offset - start - 4 !== extLength) reader.fail('bad-length');
      return value;
    },
  };
}

export const diagnosticExtension = struct({ kind: u16, diagnosticExtensionContents: opaque(4) });
export type DiagnosticExtension = Infer<typeof diagnosticExtension>;

export const diagnosticsRequest = struct({
  /** Milliseconds since 1970. */
  expiration: u64,
  timestampInitiated: u64,
  /** 0 = nothing, all ones = everything. */
  dMFlags: u64,
  diagnosticExtensionsList: countedTwice(diagnosticExtension),
});
export type DiagnosticsRequest = Infer<typeof diagnosticsRequest>;

export const diagnosticInfo = struct({ kind: u16, diagnosticInfoContents: opaque(2) });
export type DiagnosticInfo = Infer<typeof diagnosticInfo>;

export const diagnosticsResponse = struct({
  expiration: u64,
  timestampInitiated: u64,
  timestampReceived: u64,
  /** TTL of the request as received. */
  hopCounter: u8,
  diagnosticInfoList: countedTwice(diagnosticInfo),
});
export type DiagnosticsResponse = Infer<typeof diagnosticsResponse>;

export const pathTrackReq = struct({ destination, request: diagnosticsRequest });
export type PathTrackReq = Infer<typeof pathTrackReq>;

export const pathTrackAns = struct({ nextHop: destination, response: diagnosticsResponse });
export type PathTrackAns = Infer<typeof pathTrackAns>;
