/**
 * The admin port: status, health, metrics, dashboard, and the commands of the command line.
 * Reading is open to whoever reaches the port (loopback unless set otherwise); everything that
 * changes or reveals accounts needs the bearer token of the data directory.
 */
import { createServer, type Server } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono, type Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { constantTimeEqual } from '../base/hash.ts';
import { utf8Encode } from '../base/text.ts';
import type { Outcome } from '../base/outcome.ts';
import { listenError } from '../node/tls.ts';
import type { Trace } from '../ports/trace.ts';
import { dashboardPage } from './dashboard-page.ts';
import type { AdminSources, AuthorityAdmin, BanAdmin } from './sources.ts';

export interface AdminServer {
  /** Rejects with a sentence that names address and port when they are taken. */
  start(address: string, port: number): Promise<void>;
  stop(): Promise<void>;
}

const maxBodyBytes = 16_384;

export function createAdminServer(
  sources: AdminSources,
  bearerToken: string,
  trace: Trace,
): AdminServer {
  const app = routes(sources, bearerToken);
  app.onError((error, context) => {
    trace.log('error', 'admin-request-failed', { path: context.req.path, error: error.message });
    return context.json({ error: 'internal error; the log has the details' }, 500);
  });
  const listener = getRequestListener(app.fetch);
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 5000, keepAliveTimeout: 5000 },
    (request, response) => void listener(request, response),
  );
  server.maxConnections = 100;
  return {
    start: async (address, port) => await listen(server, address, port),
    stop: async () =>
      await new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function routes(sources: AdminSources, bearerToken: string): Hono {
  const app = new Hono();
  app.use(
    bodyLimit({
      maxSize: maxBodyBytes,
      onError: (context) =>
        context.json({ error: `a request has at most ${maxBodyBytes} bytes` }, 413),
    }),
  );
  app.get('/', (context) => context.html(dashboardPage));
  app.get('/health', (context) => {
    const health = sources.health();
    return health.ok
      ? context.json({ status: 'ok' })
      : context.json({ status: 'degraded', reason: health.error }, 503);
  });
  app.get('/metrics', async (context) => context.text(await sources.metrics()));
  app.get('/api/status', (context) => context.json(sources.status()));
  app.get('/api/ring', (context) => {
    const ring = sources.ring();
    return ring === undefined ? noAdapter(context) : context.json(ring);
  });
  app.get('/api/lookup', async (context) => {
    const aor = context.req.query('aor') ?? '';
    if (aor === '' || aor.length > 256)
      return context.json({ error: 'give ?aor=user@domain' }, 400);
    if (sources.lookup === undefined) {
      return noAdapter(context);
    }
    const found = await sources.lookup(aor);
    return found.ok ? context.json(found.value) : context.json({ error: found.error }, 404);
  });

  const expected = utf8Encode(`Bearer ${bearerToken}`);
  const authorised = (context: Context): boolean =>
    constantTimeEqual(utf8Encode(context.req.header('authorization') ?? ''), expected);
  banRoutes(app, sources.bans, authorised);
  const withAuthority = (
    handler: (context: Context, authority: AuthorityAdmin) => Promise<Response> | Response,
  ): ((context: Context) => Promise<Response> | Response) => {
    return (context) => {
      if (!authorised(context)) return unauthorised(context);
      if (sources.authority === undefined) {
        return context.json(
          { error: 'this box does not run the authority; run the command on the box that does' },
          404,
        );
      }
      return handler(context, sources.authority);
    };
  };
  accountRoutes(app, withAuthority);
  app.notFound((context) => {
    const allowed = methodsOf(app, context.req.path);
    return allowed.length === 0
      ? context.json({ error: 'there is nothing here' }, 404)
      : context.json({ error: `use ${allowed.join(' or ')}` }, 405, { Allow: allowed.join(', ') });
  });
  return app;
}

function banRoutes(
  app: Hono,
  bans: BanAdmin | undefined,
  authorised: (context: Context) => boolean,
): void {
  app.get('/api/bans', (context) => {
    if (!authorised(context)) return unauthorised(context);
    return bans === undefined ? noAdapter(context) : context.json(bans.list());
  });
  app.delete('/api/bans/:source', (context) => {
    if (!authorised(context)) return unauthorised(context);
    if (bans === undefined) return noAdapter(context);
    const source = context.req.param('source');
    return bans.lift(source)
      ? context.json({ source })
      : context.json({ error: `${source} is not banned at this box` }, 404);
  });
}

function unauthorised(context: Context): Response {
  return context.json({ error: 'the bearer token of the data directory is needed' }, 401);
}

function noAdapter(context: Context): Response {
  return context.json({ error: 'this box runs no adapter; ask one that does' }, 404);
}

/** Methods that the path answers to. */
function methodsOf(app: Hono, path: string): string[] {
  return ['GET', 'POST', 'DELETE'].filter((method) =>
    app.router.match(method, path)[0].some(([[, route]]) => route.method === method),
  );
}

type WithAuthority = (
  handler: (context: Context, authority: AuthorityAdmin) => Promise<Response> | Response,
) => (context: Context) => Promise<Response> | Response;

function accountRoutes(app: Hono, withAuthority: WithAuthority): void {
  const user = (context: Context): string => context.req.param('name') ?? '';
  app.get(
    '/api/users',
    withAuthority((context, authority) => context.json(authority.listUsers())),
  );
  app.post(
    '/api/users',
    withAuthority(async (context, authority) => {
      const body = await jsonBody(context);
      const { name, password } = body;
      if (typeof name !== 'string' || typeof password !== 'string')
        return needs(context, 'name, password');
      return answer(context, await authority.addUser(name, password));
    }),
  );
  app.post(
    '/api/users/:name/password',
    withAuthority(async (context, authority) => {
      const { password } = await jsonBody(context);
      if (typeof password !== 'string') return needs(context, 'password');
      return answer(context, await authority.setPassword(user(context), password));
    }),
  );
  app.post(
    '/api/users/:name/disable',
    withAuthority(async (context, authority) =>
      answer(context, await authority.setEnabled(user(context), false)),
    ),
  );
  app.post(
    '/api/users/:name/enable',
    withAuthority(async (context, authority) =>
      answer(context, await authority.setEnabled(user(context), true)),
    ),
  );
  app.post(
    '/api/users/:name/forwarding',
    withAuthority(async (context, authority) =>
      answer(context, await authority.setForwarding(user(context), await jsonBody(context))),
    ),
  );
  app.post(
    '/api/users/:name/redirect',
    withAuthority(async (context, authority) => {
      const { redirected } = await jsonBody(context);
      if (typeof redirected !== 'boolean') return needs(context, 'redirected (true or false)');
      return answer(context, await authority.setRedirected(user(context), redirected));
    }),
  );
  app.delete(
    '/api/users/:name',
    withAuthority(async (context, authority) =>
      answer(context, await authority.removeUser(user(context))),
    ),
  );
  app.get(
    '/api/tokens',
    withAuthority((context, authority) => context.json(authority.listTokens())),
  );
  app.post(
    '/api/tokens',
    withAuthority(async (context, authority) => {
      const { uses, lifetimeS } = await jsonBody(context);
      if (!isCount(uses, 1000) || !isCount(lifetimeS, 31_536_000)) {
        return needs(context, 'uses (1..1000), lifetimeS (1..31536000)');
      }
      return answer(context, await authority.createToken({ uses, lifetimeS }));
    }),
  );
  app.delete(
    '/api/tokens/:id',
    withAuthority(async (context, authority) =>
      answer(context, await authority.revokeToken(context.req.param('id') ?? '')),
    ),
  );
}

function isCount(value: unknown, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most;
}

async function jsonBody(context: Context): Promise<Record<string, unknown>> {
  const body: unknown = await context.req.json().catch(() => undefined);
  return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
}

function needs(context: Context, fields: string): Response {
  return context.json({ error: `the JSON body needs ${fields}` }, 400);
}

function answer(context: Context, outcome: Outcome<object>): Response {
  return outcome.ok ? context.json(outcome.value) : context.json({ error: outcome.error }, 409);
}

async function listen(server: Server, address: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(new Error(`admin (admin.port): ${listenError({ address, port }, error)}`));
    });
    server.listen(port, address, () => resolve());
  });
}
