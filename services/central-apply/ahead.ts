/** Has the next item of a source worked on while the consumer is still busy with the last one. */

export interface AheadOptions<T, R> {
  /** Must end soon after its signal is aborted, whatever it waits for. */
  readonly source: (signal: AbortSignal) => AsyncIterable<T>;
  readonly work: (item: T) => Promise<R>;
  readonly signal: AbortSignal;
}

/** Results in the order of the items; an error of either comes when it is that item's turn. */
export async function* oneAhead<T, R>({ source, work, signal }: AheadOptions<T, R>): AsyncGenerator<R> {
  const stop = new AbortController();
  const items = source(AbortSignal.any([signal, stop.signal]))[Symbol.asyncIterator]();
  const step = async (): Promise<{ result: R } | null> => {
    const next = await items.next();
    return next.done === true ? null : { result: await work(next.value) };
  };
  let ahead = settledLater(step());
  try {
    for (;;) {
      const current = await ahead;
      if (current === null) return;
      ahead = settledLater(step());
      yield current.result;
    }
  } finally {
    stop.abort();
    // What goes wrong with an item that nobody will ask for concerns nobody.
    await ahead.catch(() => undefined);
    await items.return?.();
  }
}

/** Its error is looked at later, and is no unhandled one until then. */
function settledLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
