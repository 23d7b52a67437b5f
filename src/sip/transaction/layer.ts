import { type ChurnMap, createChurnMap } from '../../base/churn-map.ts';
import { limits } from '../../base/limits.ts';
import type { Flow } from '../../ports/flow.ts';
import { createResponse, parseMessage } from '../message/message.ts';
import type { SipParseError, SipRequest, SipResponse } from '../message/types.ts';
import { completeVia } from '../message/via.ts';
import { createAnswerMemory } from './answer-memory.ts';
import type { RememberedAnswer } from './answer-memory.ts';
import { InviteClient } from './client-invite.ts';
import type { ClientHooks, ClientMachine } from './client-invite.ts';
import { NonInviteClient } from './client-non-invite.ts';
import { createDelayQueues } from './delay-queues.ts';
import { hexWord, mixText } from './hash.ts';
import { branchCookie, clientKey, mergeKey, serverKey } from './keys.ts';
import { defaultTimers } from './machine.ts';
import type { MachineContext } from './machine.ts';
import { refusedClient } from './refused-client.ts';
import { ReplyPath } from './reply-path.ts';
import { InviteServer } from './server-invite.ts';
import type { ServerEntry } from './server-invite.ts';
import { NonInviteServer } from './server-non-invite.ts';
import { type SettledClient, createSettledClients } from './settled-clients.ts';
import type {
  ClientCallbacks,
  ClientRequest,
  ClientTransaction,
  TransactionDeps,
  TransactionLayer,
  ViaParts,
} from './types.ts';

export type {
  ClientCallbacks,
  ClientRequest,
  ClientTransaction,
  ServerTransaction,
  TimerValues,
  TransactionDeps,
  TransactionHandler,
  TransactionLayer,
  ViaParts,
} from './types.ts';

/** Methods whose transactions a CANCEL may name although it has no effect on them (RFC 3261 §9.2). */
const otherMethods = ['REGISTER', 'OPTIONS', 'MESSAGE', 'SUBSCRIBE', 'NOTIFY', 'BYE', 'PUBLISH'];

/** The transaction layer over all flows: RFC 3261 §17, §18; RFC 3581; RFC 4320; RFC 6026. */
export function createTransactionLayer(deps: TransactionDeps): TransactionLayer {
  const { clock, random, trace, handler } = deps;
  const values = { ...defaultTimers, ...deps.timers };
  const capacity = deps.capacity ?? limits.sipTransaction.transactions;
  const tagSeeds = [random.u32(), random.u32()] as const;
  const servers = createChurnMap<string, ServerEntry>();
  const clients = createChurnMap<string, ClientMachine>();
  const clientsByFlow = createChurnMap<Flow, ChurnMap<string, ClientMachine>>();
  const merged = new Set<string>();

  const refusals = new Map<string, { add(by?: number): void }>();
  const strayResponses = trace.counter('sip_stray_responses_total');
  const overloads = trace.counter('sip_overload_refusals_total');
  const context: MachineContext = {
    timers: createDelayQueues(clock),
    nowMs: () => clock.monotonicMs(),
    values,
    timeoutMs: 64 * values.t1Ms,
    counters: {
      retransmitsSent: trace.counter('sip_retransmissions_sent_total'),
      retransmitsReceived: trace.counter('sip_retransmissions_received_total'),
      timeouts: trace.counter('sip_transaction_timeouts_total'),
      transportErrors: trace.counter('sip_transport_errors_total'),
      responsesIgnored: trace.counter('sip_responses_ignored_total'),
    },
    newTag: () => hexWord(random.u32()) + hexWord(random.u32()),
    statelessTag,
    reopen: deps.reopen,
  };
  /** Non-INVITE in state Completed: at 2000 requests per second 64,000. */
  const answers = createAnswerMemory({
    clock,
    trace,
    seed: random.u32(),
    lifetimeMs: context.timeoutMs,
    bucketCount: 1 << 17,
  });
  /** INVITEs in state Confirmed. */
  const confirmed = createAnswerMemory({
    clock,
    trace,
    seed: random.u32(),
    lifetimeMs: values.t4Ms,
    bucketCount: 1 << 14,
  });
  /** INVITEs in state Accepted. */
  const accepted = createAnswerMemory({
    clock,
    trace,
    seed: random.u32(),
    lifetimeMs: context.timeoutMs,
    bucketCount: 1 << 15,
  });
  const settled = {
    D: createSettledClients(clock, values.timerDMs),
    K: createSettledClients(clock, values.t4Ms),
    M: createSettledClients(clock, context.timeoutMs),
  } as const;
  const serverCount = (): number => servers.size + answers.size + confirmed.size + accepted.size;
  const clientCount = (): number => clients.size + settled.D.size + settled.K.size + settled.M.size;
  trace.gauge('sip_server_transactions', serverCount);
  trace.gauge('sip_client_transactions', clientCount);

  // --- requests -------------------------------------------------------------------------------

  function handleRequest(request: SipRequest, flow: Flow): void {
    if (request.method === 'ACK') handleAck(request, flow);
    else if (request.method === 'CANCEL') handleCancel(request, flow);
    else handleOther(request, flow);
  }

  function handleOther(request: SipRequest, flow: Flow): void {
    const key = serverKey(request, request.method);
    const known = servers.get(key);
    if (known !== undefined) {
      known.retransmitted(flow);
      return;
    }
    const isInvite = request.method === 'INVITE';
    const answer = isInvite ? (confirmed.find(key) ?? accepted.find(key)) : answers.find(key);
    if (answer !== undefined) {
      repeat(answer, flow);
      return;
    }
    if (deps.admits?.(request, flow) === false) return;
    if (serverCount() >= capacity) {
      overloads.add();
      respondStateless(request, flow, 503, [['Retry-After', limits.sipTransaction.retryAfter]]);
      return;
    }
    const checksMerge = deps.rejectMerged?.(request) === true && !request.inDialog;
    const identity = checksMerge ? mergeKey(request) : undefined;
    if (identity !== undefined && merged.has(identity)) {
      respondStateless(request, flow, 482);
      return;
    }
    if (identity !== undefined) merged.add(identity);
    const ended = (): void => {
      servers.delete(key);
      if (identity !== undefined) merged.delete(identity);
    };
    if (isInvite) {
      const machine = new InviteServer(
        context,
        request,
        flow,
        ended,
        (state, toTag, response, sender) => {
          servers.delete(key);
          const memory = state === 'accepted' ? accepted : confirmed;
          memory.remember(key, toTag, response, sender);
          const restMs = state === 'accepted' ? context.timeoutMs : values.t4Ms;
          if (identity !== undefined) forgetMerge(identity, restMs);
        },
      );
      servers.set(key, machine);
      handler.request(machine);
      machine.handedOver(() => createResponse(request, 100));
      return;
    }
    const machine = new NonInviteServer(
      context,
      request,
      flow,
      ended,
      (_state, toTag, response, sender) => {
        servers.delete(key);
        answers.remember(key, toTag, response, sender);
        if (identity !== undefined) forgetMerge(identity, context.timeoutMs);
      },
    );
    // Most are answered at once and never enter the table.
    handler.request(machine);
    if (machine.finalSent) return;
    servers.set(key, machine);
    machine.handedOver(() => createResponse(request, 100));
  }

  /** Apart, so that the timer holds nothing else. */
  function forgetMerge(identity: string, delayMs: number): void {
    context.timers.after(delayMs, () => merged.delete(identity));
  }

  /** Completed: the response once more (§17.2.2); Confirmed and Accepted: nothing (§17.2.1, RFC 6026 §7.1). */
  function repeat({ response, sender }: RememberedAnswer, flow: Flow): void {
    context.counters.retransmitsReceived.add();
    if (response.length === 0) return;
    if (sender.closed) flow.send(response);
    else sender.send(response);
  }

  function handleAck(ack: SipRequest, flow: Flow): void {
    const key = serverKey(ack, 'INVITE');
    const invite = servers.get(key);
    if (invite?.ackReceived() === true) return;
    const isAbsorbed =
      invite === undefined && (isOwnStatelessTag(ack) || confirmed.find(key) !== undefined);
    if (isAbsorbed) return;
    handler.ack(ack, flow);
  }

  /** RFC 3261 §9.2, §16.10: answered at once; the same To tag as the responses to the INVITE. */
  function handleCancel(cancel: SipRequest, flow: Flow): void {
    const inviteKey = serverKey(cancel, 'INVITE');
    const invite = servers.get(inviteKey);
    const target = invite ?? confirmed.find(inviteKey) ?? accepted.find(inviteKey);
    if (target !== undefined) {
      sendStatelessResponse(createResponse(cancel, 200, undefined, { toTag: target.toTag }), flow);
      invite?.cancelReceived();
      return;
    }
    for (const method of otherMethods) {
      const key = serverKey(cancel, method);
      const other = servers.get(key) ?? answers.find(key);
      if (other === undefined) continue;
      sendStatelessResponse(createResponse(cancel, 200, undefined, { toTag: other.toTag }), flow);
      return;
    }
    if (handler.strayCancel?.(cancel, flow) !== true) respondStateless(cancel, flow, 481);
  }

  // --- responses ------------------------------------------------------------------------------

  function handleResponse(response: SipResponse, flow: Flow): void {
    const { branch } = response.via;
    const key = branch === undefined ? undefined : clientKey(branch, response.cseq.method);
    const client = key === undefined ? undefined : clients.get(key);
    const rest = key === undefined || client !== undefined ? undefined : settledClient(key);
    const sent = client?.request.via ?? rest;
    if (sent === undefined) {
      strayResponses.add();
      handler.strayResponse(response, flow);
    } else if (response.via.host !== sent.host || response.via.port !== sent.port) {
      refuse('foreign-sent-by');
    } else {
      (client ?? rest)?.received(response);
    }
  }

  function settledClient(key: string): SettledClient | undefined {
    return settled.K.find(key) ?? settled.M.find(key) ?? settled.D.find(key);
  }

  // --- sending --------------------------------------------------------------------------------

  function startClient(
    request: SipRequest,
    branch: string,
    flow: Flow,
    { host, port }: ViaParts,
    callbacks: ClientCallbacks,
  ): ClientMachine {
    const key = clientKey(branch, request.method);
    const ended = (): void => {
      if (clients.get(key) === machine) clients.delete(key);
      forgetFlow(machine);
    };
    const hooks: ClientHooks = {
      ended,
      settled(timer, received) {
        ended();
        settled[timer].add(key, { host, port, received });
      },
      startCancel: (cancel) => {
        startClient(cancel, branch, machine.flow, { host, port }, ignoreResponses);
      },
    };
    const Machine = request.method === 'INVITE' ? InviteClient : NonInviteClient;
    const machine: ClientMachine = new Machine(context, branch, request, flow, callbacks, hooks);
    clients.set(key, machine);
    rememberFlow(machine);
    machine.start();
    return machine;
  }

  function rememberFlow(machine: ClientMachine): void {
    let ofFlow = clientsByFlow.get(machine.flow);
    if (ofFlow === undefined) {
      ofFlow = createChurnMap();
      clientsByFlow.set(machine.flow, ofFlow);
    }
    ofFlow.set(clientKey(machine.branch, machine.request.method), machine);
  }

  function forgetFlow(machine: ClientMachine): void {
    const ofFlow = clientsByFlow.get(machine.flow);
    ofFlow?.delete(clientKey(machine.branch, machine.request.method));
    if (ofFlow?.size === 0) clientsByFlow.delete(machine.flow);
  }

  /** The request once more, CANCEL and ACK from now on, by the new way (RFC 5923 §8.1). */
  function move(machine: ClientMachine, flow: Flow): void {
    forgetFlow(machine);
    const moved = machine.moveTo(flow);
    rememberFlow(machine);
    if (moved) machine.resend();
    else machine.flowLost();
  }

  function request(options: ClientRequest): ClientTransaction {
    const { flow, via } = options;
    const branch = newBranch(via);
    const prepared = options.request
      .edit()
      .prepend('Via', viaValue(flow, via, branch))
      .build();
    if (clientCount() >= capacity * 4) {
      overloads.add();
      return refusedClient(context, prepared, branch, options);
    }
    return startClient(prepared, branch, flow, via, options.callbacks);
  }

  function newBranch(via: ViaParts): string {
    let unique = branchCookie;
    for (let i = 0; i < 4; i++) unique += hexWord(random.u32());
    return via.branchSuffix === undefined ? unique : `${unique}.${via.branchSuffix}`;
  }

  /** Never as a transaction: nothing is repeated, nothing is remembered. */
  function respondStateless(
    received: SipRequest,
    flow: Flow,
    status: number,
    headers: readonly (readonly [string, string])[] = [],
  ): void {
    const toTag = statelessTag(received);
    sendStatelessResponse(createResponse(received, status, undefined, { toTag, headers }), flow);
  }

  function sendStatelessResponse(response: SipResponse, flow: Flow): void {
    new ReplyPath(context, response.via, flow, () => undefined).send(response.toBytes());
  }

  /** The same for every copy of a request and for its ACK. RFC 3261 §8.2.7. */
  function statelessTag(received: SipRequest): string {
    return hexWord(tagPart(received, tagSeeds[0])) + hexWord(tagPart(received, tagSeeds[1]));
  }

  function isOwnStatelessTag(ack: SipRequest): boolean {
    const { tag } = ack.to;
    return tag?.length === 16 && tag === statelessTag(ack);
  }

  // --- bad input ------------------------------------------------------------------------------

  function refuse(reason: string): void {
    let counter = refusals.get(reason);
    if (counter === undefined) {
      counter = trace.counter('sip_messages_refused_total', { reason });
      refusals.set(reason, counter);
    }
    counter.add();
  }

  function handleUnreadable(error: SipParseError, flow: Flow): void {
    refuse(error.reason);
    const { reply } = error;
    if (reply === undefined) return;
    const topVia = completeVia(reply.via, flow.remote.address, flow.remote.port);
    new ReplyPath(context, reply.via, flow, () => undefined).send(reply.toBytes(topVia.raw));
  }

  return {
    receive(flow, bytes) {
      const parsed = parseMessage(bytes, flow.remote);
      if (!parsed.ok) handleUnreadable(parsed.error, flow);
      else if (parsed.value.kind === 'request') handleRequest(parsed.value, flow);
      else handleResponse(parsed.value, flow);
    },
    request,
    sendStateless(stateless, flow, via) {
      const value = viaValue(flow, via, newBranch(via));
      return flow.send(stateless.edit().prepend('Via', value).build().toBytes());
    },
    respondStateless,
    flowClosed(flow) {
      const lost = clientsByFlow.get(flow);
      if (lost === undefined) return;
      const moving = deps.replace?.(flow, (found) => {
        for (const machine of lost.values()) {
          if (found === undefined) machine.flowLost();
          else move(machine, found);
        }
      });
      if (moving !== true) for (const machine of lost.values()) machine.flowLost();
    },
    flowInterrupted(flow) {
      const waiting = clientsByFlow.get(flow);
      if (waiting !== undefined) for (const machine of waiting.values()) machine.resend();
    },
    get size() {
      return serverCount() + clientCount();
    },
  };
}

function tagPart({ from, callId, cseq, via }: SipRequest, seed: number): number {
  const sender = mixText(mixText(seed, via.branch ?? via.raw), from.tag ?? '');
  return mixText(mixText(sender, callId), String(cseq.number));
}

const ignoreResponses: ClientCallbacks = {
  response: () => undefined,
  failed: () => undefined,
};

function viaValue(flow: Flow, via: ViaParts, branch: string): string {
  const port = via.port === undefined ? '' : `:${String(via.port)}`;
  const rport = flow.reliable ? '' : ';rport';
  const extra = via.extraParams ?? '';
  return `SIP/2.0/${flow.transport.toUpperCase()} ${via.host}${port};branch=${branch}${rport}${extra}`;
}
