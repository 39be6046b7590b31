// What a virtual directory gets to serve one request, and the timing that tests shorten.

import { setTimeout as delay } from 'node:timers/promises';
import type { Socket } from 'node:net';
import type { Answer } from './answer.ts';
import type { ByteSource } from './byte-source.ts';
import type { OwaSettings } from './owa-forms.ts';
import type { RequestBody } from './request-body.ts';
import type { LabRequest } from './request.ts';
import type { LabUser } from './sign-in.ts';

export interface Visit {
  readonly serverName: string;
  readonly users: readonly LabUser[];
  readonly owa: OwaSettings;
  readonly pace: Pace;
  readonly request: LabRequest;
  readonly body: RequestBody;
  readonly answer: Answer;
  /** `DOMAIN\user`; empty where the directory lets anyone in. */
  readonly user: string;
  readonly socket: Socket;
  readonly source: ByteSource;
  /** Aborted when the connection is gone. */
  readonly signal: AbortSignal;
  /** For the whole organisation. */
  changePassword(user: LabUser, password: string): void;
}

export type Directory = (visit: Visit) => Promise<void>;

export interface Pace {
  /** MAPI: the `X-PendingPeriod`, and how many `PENDING` a NotificationWait sees. */
  readonly pendingPeriodMs: number;
  readonly pendings: number;
  /** What each `PENDING` waits for in place of the period. */
  readonly pendingDue?: () => Promise<void>;
  /** ActiveSync Ping: time until its answer, unless the query says `heartbeat=SECONDS`. */
  readonly heartbeatMs: number;
  /** EWS streaming: time between two events, and their number. */
  readonly eventPeriodMs: number;
  readonly events: number;
  /** RPC: time between two pieces of the OUT channel, and their size. */
  readonly outPeriodMs: number;
  readonly outPieceBytes: number;
  /** RPC: body bytes after which the IN channel is answered. */
  readonly inAnswerAfterBytes: number;
}

export const exchangePace: Pace = {
  pendingPeriodMs: 15_000,
  pendings: 4,
  heartbeatMs: 480_000,
  eventPeriodMs: 30_000,
  events: 60,
  outPeriodMs: 1000,
  outPieceBytes: 64,
  inAnswerAfterBytes: 4096
};

/** Waits; throws when the connection goes first. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal });
}
