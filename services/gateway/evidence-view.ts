/**
 * Conflicts and dead letters as people may see them. Rows are for operators; a viewer learns which row, which
 * columns and why. Columns under `sensitive:` are masked for both, by the mapping that is published now.
 *
 *              | keys, columns, code, rule | rows and changes | text of the refusal
 *   -----------+---------------------------+------------------+---------------------------------
 *   viewer     | yes                       | no               | without any value
 *   operator   | yes                       | masked           | without the values that are masked
 */
import type { Pool } from 'pg';
import { asPayflowError } from '../shared/errors.ts';
import { Masking, MASKED } from '../shared/mapping/masking.ts';
import { parseMapping } from '../shared/mapping/mapping-parser.ts';
import type { Logger } from 'pino';
import { firstRow } from './database.ts';
import { changesFromJson } from '../shared/records/stored-changes.ts';
import type { ConflictRow, DeadLetterRow, WholeConflict, WholeDeadLetter } from './evidence.ts';
import type { Principal, Role } from './http/auth.ts';
import { showChange, type ShownChange } from './shown-changes.ts';
import type { WholeHeld } from './waiting-records.ts';

type Row = Readonly<Record<string, unknown>>;

export type ShownConflict = Omit<ConflictRow, 'centralRow' | 'terminalRow'> & {
  /** Central columns that the two versions do not agree on. */
  readonly columns: readonly string[];
  readonly centralRow?: unknown;
  readonly terminalRow?: unknown;
};
export type ShownDeadLetter = Omit<DeadLetterRow, 'changes'>;
export type ShownWholeConflict = ShownConflict & { readonly standing?: unknown };
export type ShownWholeDeadLetter = ShownDeadLetter & {
  readonly mended: unknown;
  readonly changes: readonly ShownChange[];
};
export type ShownHeld = Omit<WholeHeld, 'changes'> & { readonly changes: readonly ShownChange[] };

/** The role by which rows are shown; a till's token reaches no evidence. */
export function roleOf(principal: Principal): Role {
  return principal.kind === 'user' ? principal.role : 'viewer';
}

export class EvidenceView {
  readonly #pool: Pool;
  readonly #log: Logger;
  #known: { readonly version: number; readonly masking: Masking } | undefined;

  constructor(pool: Pool, log: Logger) {
    this.#pool = pool;
    this.#log = log;
  }

  /** By the mapping that is published now; without one that can be read, everything is masked. */
  async masking(): Promise<Masking> {
    const now = await firstRow<{ version: number }>(this.#pool, 'SELECT version FROM payflow_sync.mapping');
    if (now === undefined) return new Masking(null);
    if (this.#known?.version === now.version) return this.#known.masking;
    const row = await firstRow<{ version: number; source: string }>(
      this.#pool,
      'SELECT version, source FROM payflow_sync.mapping',
    );
    if (row === undefined) return new Masking(null);
    this.#known = { version: row.version, masking: this.#maskingBy(row.source) };
    return this.#known.masking;
  }

  async conflicts(found: readonly ConflictRow[], role: Role): Promise<ShownConflict[]> {
    if (found.length === 0) return [];
    const masking = await this.masking();
    return found.map((conflict) => shownConflict(conflict, role, masking));
  }

  async deadLetters(found: readonly DeadLetterRow[], role: Role): Promise<ShownDeadLetter[]> {
    if (found.length === 0) return [];
    const masking = await this.masking();
    return found.map((letter) => shownDeadLetter(letter, role, masking));
  }

  async conflict(conflict: WholeConflict, role: Role): Promise<ShownWholeConflict> {
    const masking = await this.masking();
    const { standing, ...rest } = conflict;
    const shown = shownConflict(rest, role, masking);
    if (role === 'viewer') return shown;
    return { ...shown, standing: masking.centralRow(conflict.table, asRow(standing)) };
  }

  async deadLetter(letter: WholeDeadLetter, role: Role): Promise<ShownWholeDeadLetter> {
    const masking = await this.masking();
    const { stored, mended, ...rest } = letter;
    const changes = changesFromJson(stored);
    return {
      ...shownDeadLetter({ ...rest, changes }, role, masking),
      mended: role === 'operator' ? shownMends(mended, masking) : null,
      changes: changes.map((change) => showChange(change, role, masking)),
    };
  }

  async held({ changes, ...held }: WholeHeld, role: Role): Promise<ShownHeld> {
    const masking = await this.masking();
    return { ...held, changes: changes.map((change) => showChange(change, role, masking)) };
  }

  #maskingBy(source: string): Masking {
    try {
      return new Masking(parseMapping(source));
    } catch (thrown) {
      // A newer version published it. Better nothing is shown than what should not be.
      const error = asPayflowError(thrown);
      this.#log.warn(
        { code: error.code },
        'the published mapping cannot be read here; all values are masked',
      );
      return new Masking(null);
    }
  }
}

export function shownConflict(conflict: ConflictRow, role: Role, masking: Masking): ShownConflict {
  const { centralRow, terminalRow, resolution, ...rest } = conflict;
  const [central, terminal] = [asRow(centralRow), asRow(terminalRow)];
  const shown = { ...rest, columns: differing(central, terminal) };
  if (role === 'viewer') return { ...shown, resolution: null };
  return {
    ...shown,
    resolution: shownResolution(conflict.table, resolution, masking),
    centralRow: masking.centralRow(conflict.table, central),
    terminalRow: masking.centralRow(conflict.table, terminal),
  };
}

export function shownDeadLetter(letter: DeadLetterRow, role: Role, masking: Masking): ShownDeadLetter {
  const { changes, message, lastMessage, ...rest } = letter;
  const text = (said: string) =>
    refusalText({ changes, message: said, constraint: letter.constraint }, role, masking);
  return { ...rest, message: text(message), lastMessage: lastMessage === null ? null : text(lastMessage) };
}

/** @param changes null: too many to look through, so no text that may hold a value of theirs is shown */
export function refusalText(
  { changes, message, constraint }: Pick<DeadLetterRow, 'changes' | 'message' | 'constraint'>,
  role: Role,
  masking: Masking,
): string {
  if (changes === null) return MASKED;
  return role === 'viewer'
    ? masking.textWithoutRows(message, changes, [constraint])
    : masking.text(message, changes);
}

/** The values that an operator chose are a row's values. */
function shownResolution(table: string, resolution: unknown, masking: Masking): unknown {
  const whole = asRow(resolution);
  if (whole === null) return null;
  return { ...whole, values: masking.centralRow(table, asRow(whole['values'])) };
}

function shownMends(mended: unknown, masking: Masking): unknown {
  if (!Array.isArray(mended)) return null;
  return mended.map((mend: { table: string; column: string; value: unknown }) => ({
    ...mend,
    value: masking.given(mend.table, mend.column, mend.value),
  }));
}

function asRow(value: unknown): Row | null {
  return typeof value === 'object' && value !== null ? (value as Row) : null;
}

/** The till's version holds the columns it wrote. */
function differing(central: Row | null, terminal: Row | null): string[] {
  const names = Object.keys(terminal ?? central ?? {});
  return names.filter((name) => central?.[name] !== terminal?.[name]).sort();
}
