/** SQL of a table's rows as `verify` compares them: their ids, their texts, and whose they are. */
import type { z } from 'zod';
import { PayflowError } from '../../../shared/errors.ts';
import { bucketSql, digestTextSql, rowDigestSql } from '../../../shared/verify/row-digest.ts';
import type { ComparedColumn, digestArguments } from '../../../shared/verify/questions.ts';
import { canonicalKeyText, fitsColumn } from '../../rows/key-form.ts';
import type { CentralModel, TableModel } from '../../rows/model.ts';
import { quoteName } from '../../rows/sql.ts';

type TableArguments = Omit<z.output<typeof digestArguments>, 'atLeast'>;

export class ComparedSql {
  readonly table: TableModel;
  readonly columns: readonly ComparedColumn[];
  /** `$1`, `$2`, … of all that is made here. */
  readonly parameters: string[] = [];
  readonly #model: CentralModel;
  readonly #args: TableArguments;

  /** @throws PayflowError NOT_FOUND the table is not mapped, or the centre lacks it */
  constructor(model: CentralModel, args: TableArguments) {
    const table = model.byLocal.get(args.table);
    if (table === undefined || table.key.length === 0)
      throw new PayflowError('NOT_FOUND', `the centre has no table for ${args.table}`);
    this.#model = model;
    this.#args = args;
    this.table = table;
    this.columns = args.columns.flatMap((column) => {
      const found = table.central.get(column);
      return found === undefined || found.generated ? [] : [{ name: column, type: found.type }];
    });
  }

  /** As capture names rows: each part as PostgreSQL prints it, char(n) with its padding. */
  get id(): string {
    const parts = this.table.key.map((column) => `concat(${at('t', column)})`);
    return parts.length === 1 ? (parts[0] ?? '') : `to_json(ARRAY[${parts.join(', ')}])::text`;
  }

  /** Rows that this till should have, as (id, digest, bucket). */
  rows(buckets: number): string {
    const texts = this.columns.map(({ name, type }) => digestTextSql(type, at('t', name)));
    return `SELECT k.id, ${rowDigestSql('k.id', texts)} AS digest, ${bucketSql('k.id', buckets)} AS bucket
              FROM ${this.table.sql} t CROSS JOIN LATERAL (SELECT ${this.id} AS id) k WHERE ${this.#isExpected()}`;
  }

  #isExpected(): string {
    const conditions = [this.isOwn(this.table, 't')];
    if (this.#args.isUnmarked) conditions.push(this.#isUnmarked());
    // Of what goes up only, a till has what it made itself.
    if (this.table.direction === 'pull') {
      const [terminal, table] = [this.#parameter(this.#args.terminalId), this.#parameter(this.table.name)];
      conditions.push(`EXISTS (SELECT FROM payflow_sync.link l
        WHERE l.table_name = ${table} AND l.central_id = k.id AND l.terminal_id = ${terminal})`);
    }
    return conditions.join(' AND ');
  }

  #isUnmarked(): string {
    const marks = ['deleted_at', 'is_deleted'].flatMap((name) => this.table.central.get(name) ?? []);
    return marks.length === 0
      ? 'true'
      : marks
          .map(({ name, kind }) => {
            const column = at('t', name);
            if (kind === 'boolean') return `${column} IS NOT TRUE`;
            return kind === 'int' || kind === 'bigint' ? `coalesce(${column}, 0) = 0` : `${column} IS NULL`;
          })
          .join(' AND ');
  }

  /** SQL: whether a row is the till's, or everyone's. */
  isOwn(table: TableModel, alias: string): string {
    const { scope } = table;
    if (scope.kind === 'global') return 'true';
    const column = at(alias, scope.column);
    if (scope.kind === 'column') return this.#isStore(table, scope.column, column);
    const [parent, key] = this.#parentOf(scope.parent);
    if (parent === undefined || key === undefined) return 'false';
    const above = `${alias}p`;
    return `EXISTS (SELECT FROM ${parent.sql} ${above} WHERE ${at(above, key)} = ${column} AND ${this.isOwn(parent, above)})`;
  }

  /** SQL: `own`, `none` or `other`. */
  place(table: TableModel, alias: string): string {
    const { scope } = table;
    if (scope.kind === 'global') return `'own'`;
    const column = at(alias, scope.column);
    if (scope.kind === 'column') {
      const isOwn = this.#isStore(table, scope.column, column);
      return `CASE WHEN ${column} IS NULL THEN 'none' WHEN ${isOwn} THEN 'own' ELSE 'other' END`;
    }
    const [parent, key] = this.#parentOf(scope.parent);
    if (parent === undefined || key === undefined) return `'none'`;
    const above = `${alias}p`;
    const found = `SELECT ${this.place(parent, above)} FROM ${parent.sql} ${above} WHERE ${at(above, key)} = ${column}`;
    return `coalesce((${found}), 'none')`;
  }

  #parentOf(name: string): [TableModel | undefined, string | undefined] {
    const parent = this.#model.tables.get(name);
    return [parent, parent?.key.length === 1 ? parent.key[0] : undefined];
  }

  #isStore(table: TableModel, name: string, column: string): string {
    const found = table.central.get(name);
    const { storeId } = this.#args;
    // A store's name that is no value of the column has no rows in it.
    if (found === undefined || !fitsColumn(found, storeId)) return 'false';
    return `${column} = ${this.#parameter(canonicalKeyText(found, storeId))}::${found.type}`;
  }

  #parameter(value: string): string {
    return `$${this.parameters.push(value)}::text`;
  }
}

export function at(alias: string, column: string): string {
  return `${alias}.${quoteName(column)}`;
}
