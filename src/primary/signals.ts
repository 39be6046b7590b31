// The signals of the contract, as promises and as one job that never runs twice at a time.

export interface Signals {
  /** The first SIGTERM or SIGINT. */
  readonly stop: Promise<'stop'>;
  /** The second. */
  readonly stopNow: Promise<'stop now'>;
  /** Runs `work` at each SIGHUP from now on, and at once if there was one already. */
  onHangUp(work: () => Promise<void>): void;
}

export function listenToSignals(): Signals {
  const stop = Promise.withResolvers<'stop'>();
  const stopNow = Promise.withResolvers<'stop now'>();
  let stops = 0;
  const onStop = (): void => {
    stops++;
    if (stops === 1) stop.resolve('stop');
    else stopNow.resolve('stop now');
  };
  process.on('SIGTERM', onStop);
  process.on('SIGINT', onStop);

  // Until the start is over a SIGHUP only asks; its default would end the program.
  let askedEarly = false;
  let onHangUp = (): void => {
    askedEarly = true;
  };
  process.on('SIGHUP', () => onHangUp());
  return {
    stop: stop.promise,
    stopNow: stopNow.promise,
    onHangUp(work) {
      onHangUp = oneAtATime(work);
      if (askedEarly) onHangUp();
    }
  };
}

/** However often it is called while `work` runs, `work` runs once more afterwards. */
export function oneAtATime(work: () => Promise<void>): () => void {
  let wanted = false;
  let running = false;
  const run = async (): Promise<void> => {
    running = true;
    while (wanted) {
      wanted = false;
      await work();
    }
    running = false;
  };
  return () => {
    wanted = true;
    if (!running) void run();
  };
}
