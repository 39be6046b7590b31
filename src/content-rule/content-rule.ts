// A content rule as the configuration holds it (LoadMaster: MatchContent rule, kemp parameters
// `matchtype`, `pattern`, `header`, `nocase`, `negate`, `incHost`, `incQuery`, `mustFail`).

export interface ContentRule {
  readonly name: string;
  readonly matchType: 'regex' | 'prefix' | 'postfix';
  /** As written, percent encoding already undone; slashes around it make it a Perl expression. */
  readonly pattern: string;
  readonly noCase: boolean;
  readonly negate: boolean;
  /** Put the host name before the path. */
  readonly incHost: boolean;
  /** Put `?query` after the path. */
  readonly incQuery: boolean;
  /** '' = the URL; `method`, `src-ip`, or the lower-case name of a header field. */
  readonly header: string;
  /** A match refuses the request. */
  readonly mustFail: boolean;
}

/** What a rule may ask about a request. Each is read only when a rule wants it. */
export interface RequestFacts {
  /** Path without query, as the client wrote it. */
  path(): string;
  /** `?...` with the question mark, or ''. */
  query(): string;
  /** Host without port, lower case; '' when the request names none. */
  host(): string;
  method(): string;
  sourceAddress(): string;
  /** All values of the field, joined by `, `; undefined when absent. `name` is lower case. */
  header(name: string): string | undefined;
}

/** A rule made ready: one call, no compilation, time linear in what it looks at. */
export type Matcher = (facts: RequestFacts) => boolean;
