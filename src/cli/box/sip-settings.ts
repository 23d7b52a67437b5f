/** The settings of a box as its SIP server wants them. */
import { limits } from '../../base/limits.ts';
import type { Settings } from '../../node/settings.ts';
import { parseNetworks } from '../../sip/auth/networks.ts';
import { defaultSipSettings, type SipSettings } from '../../sip/core/settings.ts';
import { parseUri } from '../../sip/message/uri.ts';
import { type PublicAddress, parsePublicAddress } from '../../usages/sip/public-address.ts';
import { CommandError } from '../command.ts';
import { version } from './version.ts';

/** Throws {@link CommandError} for values that the schema cannot judge. */
export function sipSettings(settings: Settings): SipSettings {
  const { auth, flood, registrar, sip } = settings;
  for (const [key, texts] of [
    ['auth', auth.exemptNetworks],
    ['flood', flood.exemptNetworks],
  ] as const) {
    const networks = parseNetworks(texts);
    if (!networks.ok) {
      throw new CommandError(`${key}.exemptNetworks: ${networks.error} is no address or network`);
    }
  }
  return {
    registrar: {
      ...defaultSipSettings.registrar,
      minExpiresS: registrar.minExpiresS,
      maxExpiresS: registrar.maxExpiresS,
      defaultExpiresS: registrar.defaultExpiresS,
      maxContacts: registrar.maxContacts,
      maxContactsPerDevice: registrar.maxContactsPerDevice,
      acceptsUnannouncedPath: registrar.acceptUnannouncedPath,
      serviceRoute: registrar.serviceRoute.map(serviceRoute),
      flowTimerS: registrar.flowTimerS,
      natExpiresS: registrar.natExpiresS,
      natPingS: registrar.natPingS,
      natPing: registrar.natPing === 'crlf' ? 'crlf' : 'options',
      natPingsLost: registrar.natPingsLost,
    },
    proxy: {
      ...defaultSipSettings.proxy,
      timerCMs: sip.timerCMs,
      ...(sip.sessionExpiresS === 0
        ? {}
        : {
            sessionTimer: {
              sessionExpiresS: sip.sessionExpiresS,
              minSessionExpiresS: sip.minSessionExpiresS,
            },
          }),
    },
    auth: {
      challengeRequests: sip.authenticate,
      challengeRegistrations: sip.authenticate,
      nonceLifetimeS: sip.nonceLifetimeS,
      offersIntegrity: auth.integrity,
      maxFailures: auth.maxFailures,
      maxUserFailures: auth.maxUserFailures,
      banS: auth.banS,
      exemptNetworks: auth.exemptNetworks,
    },
    flood: {
      requestsPerS: flood.requestsPerS,
      burst: flood.burst,
      banS: flood.banS,
      exemptNetworks: flood.exemptNetworks,
    },
    serverName: `Chordial/${version}`,
  };
}

/** Where redirected callers reach this box. Throws {@link CommandError} for what is no such address. */
export function publicAddresses({ sip }: Settings): readonly PublicAddress[] {
  const most = limits.usagesSip.publicAddresses;
  if (sip.publicAddresses.length > most) {
    throw new CommandError(`sip.publicAddresses: at most ${String(most)} addresses`);
  }
  return sip.publicAddresses.map((text) => {
    const address = parsePublicAddress(text);
    if (address !== undefined) return address;
    throw new CommandError(
      `sip.publicAddresses: "${text}" is no public address; write udp/192.0.2.1:5060`,
    );
  });
}

/** RFC 3608 §6.3: loose routers only. */
function serviceRoute(text: string): string {
  const uri = parseUri(text);
  const isSip = uri.ok && (uri.value.scheme === 'sip' || uri.value.scheme === 'sips');
  if (!isSip) throw new CommandError(`registrar.serviceRoute: ${text} is no SIP URI`);
  return uri.value.params.has('lr') ? `<${text}>` : `<${text};lr>`;
}
