/**
 * Outcome rows, which central-apply writes before the business rows of its transaction: whose change each of
 * the following rows answers, and the images of rows that do not follow because nothing changed in them.
 */
import { z } from 'zod';
import { rowKey, type CentralId } from '../../shared/records/change-record.ts';
import { ORIGIN_UNIT_BYTES, type AnswerOrigin } from '../../shared/records/origin-units.ts';
import { PayflowError } from '../../shared/errors.ts';
import type { Tuple } from '../wal/pgoutput-decoder.ts';
import type { Route } from './routes.ts';
import { NO_ORIGINS } from '../streams/transaction-writer.ts';

const outcomes = z.enum(['applied', 'merged', 'lost', 'duplicate', 'rejected', 'gone', 'discarded']);
const image = z.record(z.string(), z.string().nullable());
const entrySchema = z
  .tuple([z.number(), z.string(), z.string().nullable(), outcomes, z.string().nullable()])
  .rest(image.nullish());

/** What became of one change of a till. */
export interface OutcomeEntry {
  readonly table: string;
  readonly centralId: CentralId | null;
  readonly origin: AnswerOrigin;
  /** The central row as it stands, where no change of it follows. */
  readonly image: Readonly<Record<string, string | null>> | null;
  /** Key and store of a row that was another store's when central-apply looked. */
  readonly elsewhere: Readonly<Record<string, string | null>> | null;
}

/** @throws PayflowError RECORD_MALFORMED */
export function readOutcome(route: Route, tuple: Tuple): OutcomeEntry[] {
  const column = (name: string) =>
    tuple.text(route.relation.columns.findIndex((candidate) => candidate.name === name)) ?? '';
  const terminal = column('terminal_id');
  const incarnation = column('incarnation');
  const unitHash = unitHashOf(column('hash'));
  const parsed = z.array(entrySchema).safeParse(parseJson(column('entries')));
  if (!parsed.success) {
    throw new PayflowError('RECORD_MALFORMED', `outcome of ${terminal} is not of the expected form`, {
      cause: parsed.error,
    });
  }
  return parsed.data.map(([seq, table, id, outcome, , shown, ...more]) => ({
    table,
    centralId: id as CentralId | null,
    origin: { terminal, incarnation, seq, outcome, unitHash },
    image: more.length === 0 ? (shown ?? null) : null,
    elsewhere: more.length === 0 ? null : (shown ?? null),
  }));
}

/** The origins that the rest of the transaction's rows answer, by row. */
export class TransactionOrigins {
  readonly #byRow = new Map<string, AnswerOrigin[]>();

  get isEmpty(): boolean {
    return this.#byRow.size === 0;
  }

  add(table: string, id: CentralId, origin: AnswerOrigin): void {
    const key = rowKey(table, id);
    const known = this.#byRow.get(key);
    if (known === undefined) this.#byRow.set(key, [origin]);
    else known.push(origin);
  }

  of(table: string, id: string): readonly AnswerOrigin[] {
    return this.#byRow.get(rowKey(table, id as CentralId)) ?? NO_ORIGINS;
  }

  clear(): void {
    this.#byRow.clear();
  }
}

/** @param text of a bytea; a retried dead letter is no unit, and has none */
function unitHashOf(text: string): Buffer | null {
  const hash = Buffer.from(text.replace(/^\\x/, ''), 'hex');
  return hash.length < ORIGIN_UNIT_BYTES ? null : hash;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new PayflowError('RECORD_MALFORMED', 'entries of an outcome are no JSON', { cause: error });
  }
}
