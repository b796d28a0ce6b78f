/** Asks central-apply for operations as the gateway does, and has them carried out a step at a time. */
import { Operations } from '../../services/central-apply/operations/operations.ts';
import type {
  LetterResult,
  LettersResult,
  OperationFailure,
  OperationKind,
} from '../../services/shared/operations.ts';
import type { ApplySite } from './apply-site.ts';
import { silentLog } from './centre.ts';

export interface Answer<Result> {
  readonly state: 'waiting' | 'done' | 'failed';
  readonly result: Result;
}

export class Asking {
  readonly #site: ApplySite;

  constructor(site: ApplySite) {
    this.#site = site;
  }

  operations(): Operations {
    const { pool, apply } = this.#site;
    return new Operations({
      kinds: 'deeds',
      pool,
      listenPool: pool,
      release: (terminal) => apply.release(terminal),
      log: silentLog,
    });
  }

  async put(kind: OperationKind | 'unheard-of', args: unknown, why: string | null = null): Promise<string> {
    const { id } = await this.#site.one<{ id: string }>(
      `INSERT INTO payflow_sync.operation (kind, arguments, requested_by, why) VALUES ($1, $2, 'anna', $3)
       RETURNING operation_id AS id`,
      [kind, JSON.stringify(args), why],
    );
    return id;
  }

  async answer<Result>(id: string): Promise<Answer<Result>> {
    const { state, result } = await this.#site.one<{ state: Answer<Result>['state']; result: string | null }>(
      'SELECT state, result FROM payflow_sync.operation WHERE operation_id = $1',
      [id],
    );
    return { state, result: JSON.parse(result ?? 'null') as Result };
  }

  async ask<Result>(kind: OperationKind, args: unknown, why: string | null = null): Promise<Answer<Result>> {
    const id = await this.put(kind, args, why);
    const operations = this.operations();
    while (await operations.runNext());
    return this.answer<Result>(id);
  }

  /** @throws Error when it failed */
  async retry(ids: readonly string[], how: Record<string, unknown> = {}): Promise<LettersResult> {
    return done(await this.ask<LettersResult>('dead-letter-retry', { ids, ...how }));
  }

  async retryOne(id: string, how: Record<string, unknown> = {}): Promise<LetterResult> {
    const { letters } = await this.retry([id], how);
    const letter = letters.find(({ deadLetterId }) => deadLetterId === id);
    if (letter === undefined) throw new Error(`nothing became of dead letter ${id}`);
    return letter;
  }

  async discard(ids: readonly string[], why: string): Promise<LettersResult> {
    return done(await this.ask<LettersResult>('dead-letter-discard', { ids }, why));
  }

  async failure(kind: OperationKind, args: unknown): Promise<OperationFailure> {
    const { state, result } = await this.ask<OperationFailure>(kind, args, 'because');
    if (state !== 'failed') throw new Error(`it is ${state}: ${JSON.stringify(result)}`);
    return result;
  }
}

function done<Result>({ state, result }: Answer<Result>): Result {
  if (state !== 'done') throw new Error(`it is ${state}: ${JSON.stringify(result)}`);
  return result;
}
