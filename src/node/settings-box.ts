/** Settings of the box itself: its log, the authority, keys, the admin port. */
import { port } from './settings-entry.ts';

export const domainSchema = {
  doc: 'Overlay name; also the SIP domain and the digest realm on every box.',
  format: String,
  default: 'lab.example',
  env: 'CHORDIAL_DOMAIN',
};

export const logSchema = {
  level: {
    doc: 'Least severe level that is written.',
    format: ['debug', 'info', 'warn', 'error', 'silent'],
    default: 'info',
    env: 'CHORDIAL_LOG_LEVEL',
  },
  file: {
    doc: 'File for the log lines (JSON, one event a line); empty means standard error.',
    format: String,
    default: '',
    env: 'CHORDIAL_LOG_FILE',
  },
};

export const authoritySchema = {
  enabled: {
    doc: 'True on the box that issues certificates and keeps the accounts.',
    format: 'switch',
    default: false,
    env: 'CHORDIAL_AUTHORITY',
  },
  address: {
    doc: 'Address on which the authority serves HTTPS.',
    format: String,
    default: '0.0.0.0',
    env: 'CHORDIAL_AUTHORITY_ADDRESS',
  },
  port: port('HTTPS port of the authority.', 8443, 'CHORDIAL_AUTHORITY_PORT'),
  publicHost: {
    doc: 'Host name or address that other boxes use to reach the authority; empty: the first address of this box.',
    format: String,
    default: '',
    env: 'CHORDIAL_AUTHORITY_HOST',
  },
};

export const identitySchema = {
  keyType: {
    doc: 'Key type of the keys this box makes: its own, those of its users and, with init, the root. RSA has 2048 bits.',
    format: ['ecdsa-p256', 'rsa'],
    default: 'ecdsa-p256',
    env: 'CHORDIAL_KEY_TYPE',
  },
};

export const adapterSchema = {
  enabled: {
    doc: 'True on a box that takes part in the overlay and serves phones.',
    format: 'switch',
    default: true,
    env: 'CHORDIAL_ADAPTER',
  },
};

export const adminSchema = {
  address: {
    doc: 'Address of the admin port (status, metrics, dashboard). Keep it on loopback.',
    format: String,
    default: '127.0.0.1',
    env: 'CHORDIAL_ADMIN_ADDRESS',
  },
  port: port('HTTP port for status, metrics and the command line.', 8080, 'CHORDIAL_ADMIN_PORT'),
};
