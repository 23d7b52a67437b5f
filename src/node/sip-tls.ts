/** Certificates of TLS and WSS listeners: chosen by the name a client asks for, replaced while they serve. */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import tls from 'node:tls';
import { isCertificateFor } from './sip-identities.ts';

/** PEM; the certificate with those that lead to its root. */
export interface SipCertificate {
  readonly key: string;
  readonly cert: string;
}

export interface SipTls extends SipCertificate {
  /** For clients that ask for a name (RFC 6066 §3) which one of these holds. */
  readonly further?: readonly SipCertificate[];
  /** PEM of the issuers of client certificates; with it clients are asked for one. */
  readonly ca?: string;
  /** With `ca`: a client without a good certificate is turned away. */
  readonly requiresClientCertificate?: boolean;
}

export interface TlsContexts {
  /** What the server is made with. */
  readonly options: tls.TlsOptions;
  /** For connections from now on. Throws, changing nothing, when key and certificate do not fit. */
  readonly use: (server: tls.Server, settings: SipTls) => void;
}

/** Throws when there are no settings, or a key does not fit its certificate. */
export function createTlsContexts(settings: SipTls | undefined): TlsContexts {
  if (settings === undefined) throw new Error('a secure listener needs a certificate');
  let current = contextsOf(settings);
  return {
    options: {
      ...secureOptions(settings),
      requestCert: settings.ca !== undefined,
      rejectUnauthorized: settings.ca !== undefined && settings.requiresClientCertificate === true,
      SNICallback(name, done) {
        done(null, current.find(({ cert }) => isCertificateFor(cert, name))?.context);
      },
    },
    use(server, next) {
      const contexts = contextsOf(next);
      server.setSecureContext(secureOptions(next));
      current = contexts;
    },
  };
}

function contextsOf(settings: SipTls): readonly { cert: string; context: tls.SecureContext }[] {
  return [settings, ...(settings.further ?? [])].map(({ key, cert }) => {
    if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
      throw new Error('the private key does not belong to the certificate');
    }
    return { cert, context: tls.createSecureContext(secureOptions({ ...settings, key, cert })) };
  });
}

function secureOptions({ key, cert, ca }: SipTls): tls.SecureContextOptions {
  return ca === undefined ? { key, cert } : { key, cert, ca };
}
