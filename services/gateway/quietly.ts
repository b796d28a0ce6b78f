/** For what may fail without harm, because the next occasion tries it again. */
import type { Logger } from 'pino';
import { asPayflowError } from '../shared/errors.ts';

/** @returns what `body` gives; undefined when it failed, which is logged as `trouble` */
export async function quietly<T>(
  log: Logger,
  trouble: string,
  body: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await body();
  } catch (thrown) {
    const error = asPayflowError(thrown);
    log.warn({ code: error.code, err: error }, trouble);
    return undefined;
  }
}
