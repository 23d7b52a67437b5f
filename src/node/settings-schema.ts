/** Every setting of a box: what it means, its type, its default, and the ways to give it. */
import {
  adapterSchema,
  adminSchema,
  authoritySchema,
  domainSchema,
  identitySchema,
  logSchema,
} from './settings-box.ts';
import { linkSchema, overlaySchema } from './settings-overlay.ts';
import { authSchema, floodSchema, registrarSchema } from './settings-phones.ts';
import { sipSchema } from './settings-sip.ts';

export const settingsSchema = {
  domain: domainSchema,
  log: logSchema,
  authority: authoritySchema,
  identity: identitySchema,
  adapter: adapterSchema,
  link: linkSchema,
  overlay: overlaySchema,
  sip: sipSchema,
  registrar: registrarSchema,
  auth: authSchema,
  flood: floodSchema,
  admin: adminSchema,
};
