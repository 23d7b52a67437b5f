/** The DNS by the resolver of Node: own servers where the settings name some. */
import { Resolver as NodeResolver, type SrvRecord as NodeSrvRecord } from 'node:dns';
import { limits } from '../base/limits.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import type { DnsError, NaptrRecord, Resolver, SrvRecord } from '../ports/resolver.ts';
import type { Trace } from '../ports/trace.ts';

/** `servers`: `address` or `address:port`; empty: those of the machine. @throws for a malformed one. */
export function createDnsResolver(servers: readonly string[], trace: Trace): Resolver {
  const resolver = new NodeResolver({ timeout: limits.sipDns.answerMs / 2, tries: 2 });
  if (servers.length > 0) resolver.setServers([...servers]);
  const asked = trace.counter('dns_questions_total');
  const failed = trace.counter('dns_failures_total');
  let pending = 0;

  /** Runs one question; too many at once fail without being asked. */
  function ask<T>(
    done: (outcome: Outcome<T, DnsError>) => void,
    question: (answered: (error: NodeJS.ErrnoException | null, value: T) => void) => void,
  ): void {
    if (pending >= limits.sipDns.pending) {
      failed.add();
      process.nextTick(done, failure('failed'));
      return;
    }
    pending++;
    asked.add();
    question((error, value) => {
      pending--;
      if (error === null) {
        done(success(value));
        return;
      }
      const isAbsent = error.code === 'ENOTFOUND' || error.code === 'ENODATA';
      if (!isAbsent) failed.add();
      done(failure(isAbsent ? 'not-found' : 'failed'));
    });
  }

  return {
    naptr(name, done) {
      ask<readonly NaptrRecord[]>(done, (answered) => {
        resolver.resolveNaptr(name, (error, records) => {
          answered(error, error === null ? records.map(plainNaptr) : []);
        });
      });
    },
    srv(name, done) {
      ask<readonly SrvRecord[]>(done, (answered) => {
        resolver.resolveSrv(name, (error, records) => {
          answered(error, error === null ? records.map(plainSrv) : []);
        });
      });
    },
    addresses(name, family, done) {
      ask<readonly string[]>(done, (answered) => {
        if (family === 4) resolver.resolve4(name, answered);
        else resolver.resolve6(name, answered);
      });
    },
  };
}

function plainNaptr(record: NaptrRecord): NaptrRecord {
  const { flags, order, preference, regexp, replacement, service } = record;
  return { flags, order, preference, regexp, replacement, service };
}

function plainSrv({ name, port, priority, weight }: NodeSrvRecord): SrvRecord {
  return { port, priority, target: name, weight };
}
