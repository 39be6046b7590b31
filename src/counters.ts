// What is counted, as rows of numbers: the hot path adds to a place of a row, a worker tells now and
// then what was added, the primary sums the rows up. Rows only grow.

import { errorCodes, type ErrorCode } from './error.ts';

/**
 * Upper bounds of the latency buckets. From an answer out of a server's cache to what Exchange keeps
 * open on purpose: pending MAPI and RPC 1 to 15 minutes, EWS notifications 30, ActiveSync pings 60.
 */
export const latencyBoundsMs: readonly number[] = [
  1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 900_000,
  1_800_000, 3_600_000
];

/** By first digit of the status; the first one is for exchanges that no answer was sent in. */
export const statusClasses = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const;

/** One for each bound, one for what lies above all of them, and the sum in milliseconds. */
const latencyLength = latencyBoundsMs.length + 2;
const errorsAt = 3 + statusClasses.length;
const firstByteAt = errorsAt + errorCodes.length;

/** Places in the row of a virtual service or a SubVS; the first three are the former's alone. */
export const servicePlaces = {
  clientConnections: 0,
  tlsHandshakes: 1,
  tlsFailures: 2,
  /** By status class: answers to requests that had no real server. */
  answers: 3,
  errors: errorsAt,
  firstByte: firstByteAt,
  duration: firstByteAt + latencyLength,
  length: firstByteAt + 2 * latencyLength
} as const;

/** Places in the row of a real server. */
export const serverPlaces = {
  connections: 0,
  connectFailures: 1,
  bytesToServer: 2,
  bytesFromServer: 3,
  /** By status class: answers to requests that this server was chosen for. */
  answers: 4,
  /** Sessions of services that relay bytes, added when they end. */
  sessions: 4 + statusClasses.length,
  length: 5 + statusClasses.length
} as const;

export type Row = Float64Array;

export function serviceRow(): Row {
  return new Float64Array(servicePlaces.length);
}

export function serverRow(): Row {
  return new Float64Array(serverPlaces.length);
}

export function countAnswer(row: Row, answersAt: number, status: number): void {
  add(row, answersAt + Math.floor(status / 100), 1);
}

/** `at` is where the buckets begin. */
export function countLatency(row: Row, at: number, ms: number): void {
  let bucket = 0;
  while (ms > (latencyBoundsMs[bucket] ?? Infinity)) bucket++;
  add(row, at + bucket, 1);
  add(row, at + latencyLength - 1, ms);
}

const placeOfError = new Map(errorCodes.map((code, n) => [code, errorsAt + n]));

export function countError(row: Row, code: ErrorCode): void {
  add(row, placeOfError.get(code) ?? errorsAt, 1);
}

export function add(row: Row, place: number, amount: number): void {
  row[place] = (row[place] ?? 0) + amount;
}

/** By status class, as `statusClasses` names them. */
export function answersIn(row: Row, answersAt: number): readonly number[] {
  return [...row.subarray(answersAt, answersAt + statusClasses.length)];
}

export function errorsIn(row: Row): readonly (readonly [code: ErrorCode, count: number])[] {
  return errorCodes.map((code, n) => [code, row[errorsAt + n] ?? 0]);
}

export interface Latency {
  /** By bucket, not cumulative, the one without a bound last. */
  readonly buckets: readonly number[];
  readonly sumMs: number;
}

export function latencyIn(row: Row, at: number): Latency {
  const sumAt = at + latencyLength - 1;
  return { buckets: [...row.subarray(at, sumAt)], sumMs: row[sumAt] ?? 0 };
}
