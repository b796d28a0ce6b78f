/**
 * WAL messages in, records out: follows each transaction from its Begin to its Commit, and what it says to
 * capture itself (outcomes, a new mapping, wanted seedings, watermarks, heartbeats).
 */
import type { Logger } from 'pino';
import { MAPPING_TABLE } from '../../shared/records/change-record.ts';
import { unreachable } from '../../shared/errors.ts';
import type { Lsn, Position } from '../../shared/records/position.ts';
import { completeFrom } from '../streams/change-encoder.ts';
import { HEARTBEAT_PREFIX, MARKER_PREFIX, type Heartbeats } from '../streams/heartbeat.ts';
import type { Introductions } from '../streams/introductions.ts';
import { readOutcome, type OutcomeEntry, type TransactionOrigins } from './origins.ts';
import { UNCHANGED_LENGTH, type Relation, type Tuple, type WalMessage } from '../wal/pgoutput-decoder.ts';
import { OUTCOME_TABLE, SEEDING_TABLE, TERMINAL_TABLE } from '../setup/published-tables.ts';
import { UNKNOWN } from './parents.ts';
import type { Route, Routes } from './routes.ts';
import { toldChange } from './old-rows.ts';
import type { RowRouter } from './row-router.ts';
import type { RowChange, RowSender } from './row-sender.ts';
import type { TransactionWriter } from '../streams/transaction-writer.ts';
import { keyTuple, tupleOfColumns } from '../wal/tuples.ts';
import { CHUNK_PREFIX, type ChunkVerdict, type Watermarks } from '../seeding/watermarks.ts';

export interface TransactionRouterOptions {
  readonly writer: TransactionWriter;
  readonly rows: RowRouter;
  readonly sender: RowSender;
  readonly origins: TransactionOrigins;
  readonly watermarks: Watermarks;
  readonly heartbeats: Heartbeats;
  readonly introductions: Introductions;
  readonly openStore: (storeId: string) => Promise<unknown>;
  /** Reads catalog and mapping anew. */
  readonly reload: (source: string | null) => Promise<Routes>;
  /** By this transaction. */
  readonly onSeedingWanted: (xid: number) => void;
  /** The WAL describes a table. */
  readonly onRelation: (relation: Relation) => void;
  /** A change came without the old row that this table's changes must bring. */
  readonly onOldRowMissing: (table: string) => void;
  /** A table was emptied, and its children were not. */
  readonly onParentEmptied: (table: string) => void;
  /** A table that is sent was emptied, in the open transaction. */
  readonly onTruncate: (table: string, at: Position) => void;
  /** A chunk reached its high watermark, in the transaction whose commit ends at `endLsn`. */
  readonly onChunk: (id: string, verdict: ChunkVerdict, endLsn: Lsn) => void;
  readonly log: Logger;
}

interface BoundRelation {
  readonly relation: Relation;
  /** undefined: none of ours. */
  readonly route: Route | undefined;
}

export class TransactionRouter {
  readonly #options: TransactionRouterOptions;
  readonly #relations = new Map<number, BoundRelation>();
  #chunk: { id: string; verdict: ChunkVerdict } | null = null;
  /** A new mapping, in force from the next transaction on. */
  #newMapping: string | null = null;
  /** A table is wanted, perhaps in a shape that the routes do not have, or another one under its name. */
  #reshaped = false;
  /** Told when the transaction is over: its mapping may be what names the table. */
  #seedingWanted = false;

  constructor(options: TransactionRouterOptions) {
    this.#options = options;
  }

  /** Handles one message. The promise, where there is one, must be awaited before the next message. */
  handle(message: WalMessage): Promise<void> | undefined {
    switch (message.kind) {
      case 'insert':
        return this.#row(message.relation, {
          op: 'c',
          before: null,
          beforeIsKey: false,
          after: message.after,
        });
      case 'update':
        return this.#row(message.relation, { ...message, op: 'u' });
      case 'delete':
        return this.#row(message.relation, { ...message, op: 'd', after: null, isDeleted: true });
      case 'begin':
        this.#options.writer.begin(message);
        this.#options.introductions.write();
        return undefined;
      case 'commit':
        return this.#commit(message.endLsn);
      case 'relation':
        return this.#bind(message.relation);
      case 'truncate':
        this.#truncate(message.relations);
        return undefined;
      case 'message':
        return this.#message(message.prefix, message.content, message.transactional);
      case 'other':
        return undefined;
      default:
        return unreachable(message);
    }
  }

  #row(relation: Relation, change: RowChange): Promise<void> | undefined {
    const { writer, rows, watermarks } = this.#options;
    if (change.op === 'u') writer.nextPair();
    else writer.nextSeq();
    const route = this.#relations.get(relation.oid)?.route;
    if (route === undefined) return undefined;
    const told = toldChange(route, change);
    if (told.isShort) this.#options.onOldRowMissing(route.name);
    if (told.change === null) return undefined;
    if (!watermarks.isEmpty) this.#noteChange(route, told.change);
    const routed = rows.route(route, this.#completed(route, told.change));
    if (!route.name.startsWith('payflow_sync.') || change.after === null) return routed;
    const internal = this.#internal(route, change.after);
    return routed === undefined ? internal : routed.then(() => internal);
  }

  /** With the columns that the update did not touch taken from the old row. */
  #completed(route: Route, change: RowChange): RowChange {
    const { after } = change;
    if (change.op !== 'u' || after === null || completeFrom(after, change.before)) return change;
    const omitted = route.relation.columns
      .filter((_, index) => after.lengths[index] === UNCHANGED_LENGTH)
      .map((column) => column.name);
    this.#options.log.error(
      { table: route.name, id: route.encoder.centralId(after), omitted },
      'a column stored out of line is not in the WAL: run `payflow setup` for REPLICA IDENTITY FULL',
    );
    return { ...change, omitted };
  }

  /** Our own tables, where they mean something to capture itself. */
  #internal(route: Route, after: Tuple): Promise<void> | undefined {
    const text = (name: string) =>
      after.text(route.relation.columns.findIndex((column) => column.name === name));
    switch (route.name) {
      case OUTCOME_TABLE:
        return this.#outcome(readOutcome(route, after));
      case MAPPING_TABLE:
        this.#newMapping = text('source');
        return undefined;
      case TERMINAL_TABLE:
        return this.#knowTerminal(text('terminal_id') ?? '').then(() => undefined);
      case SEEDING_TABLE:
        if (text('state') === 'wanted') {
          this.#seedingWanted = true;
          this.#reshaped = true;
        }
        return undefined;
      default:
        return undefined;
    }
  }

  /** Every entry takes a number, sent or not, so that a resend counts alike. */
  async #outcome(entries: readonly OutcomeEntry[]): Promise<void> {
    const { writer, rows, origins } = this.#options;
    for (const { table, centralId, origin, image, elsewhere } of entries) {
      writer.nextSeq();
      if (centralId === null) continue;
      const known = image ?? elsewhere;
      if (known === null && origin.outcome !== 'gone') {
        await this.#knowTerminal(origin.terminal);
        origins.add(table, centralId, origin);
        continue;
      }
      const route = await rows.routes.forTable(table);
      if (route === undefined || !route.sent) continue;
      const store = await this.#knowTerminal(origin.terminal);
      const row = known === null ? keyTuple(route, centralId) : tupleOfColumns(route, known);
      const rowStore = known === null ? null : await this.#storeOf(route, row);
      if (rowStore !== undefined && (rowStore === null || rowStore !== store)) {
        this.#options.sender.answerGone(route, row, origin, { isDeleted: known === null });
      } else if (image === null) {
        // The till has been moved to that very store since: the row is in its stream.
        origins.add(table, centralId, origin);
      } else {
        this.#options.sender.sendImage(route, row, origin, rowStore ?? null);
      }
    }
  }

  /** undefined for rows that everyone has. */
  async #storeOf(route: Route, row: Tuple): Promise<string | null | undefined> {
    const { rows } = this.#options;
    if (route.scope.kind === 'global') return undefined;
    if (route.scope.kind === 'via' && rows.storeOf(route, row) === undefined) {
      await rows.parents.learn(route.scope.parent, [row.text(route.scopeIndex) ?? '']);
    }
    const store = rows.storeOf(route, row) ?? null;
    rows.parents.forget();
    return store === UNKNOWN ? null : store;
  }

  /** A till's store is in the cache afterwards, and the store's stream open. */
  async #knowTerminal(terminal: string): Promise<string | null> {
    const { rows } = this.#options;
    const store = await rows.routes.cache.storeOfTerminal(terminal);
    if (store !== null) await this.#options.openStore(store);
    return store;
  }

  async #bind(relation: Relation): Promise<void> {
    const { rows } = this.#options;
    this.#options.onRelation(relation);
    if (!rows.routes.knows(relation)) await this.#reload(null);
    this.#relations.set(relation.oid, { relation, route: await rows.routes.forRelation(relation) });
  }

  /** @param source the new mapping's text; null: only the tables changed */
  async #reload(source: string | null, isReshaped = false): Promise<void> {
    const { rows } = this.#options;
    if (!isReshaped && source !== null && source === rows.routes.mapping.source) return;
    const { seen } = rows.routes.cache;
    rows.routes = await this.#options.reload(source);
    rows.routes.cache.decodedUpTo(seen);
    rows.parents.renewed();
    for (const { relation } of [...this.#relations.values()]) {
      this.#relations.set(relation.oid, { relation, route: await rows.routes.forRelation(relation) });
    }
  }

  #noteChange(route: Route, { before, after }: RowChange): void {
    for (const row of [before, after]) {
      if (row !== null) this.#options.watermarks.changed(route.name, () => route.encoder.centralId(row));
    }
  }

  /** The WAL names the tables only: which rows went, the streams have to be asked. */
  #truncate(relations: readonly Relation[]): void {
    const { writer, rows, watermarks, onTruncate, onParentEmptied, log } = this.#options;
    const emptied = new Set(relations.map(({ name }) => name));
    writer.nextSeq();
    for (const { oid, name: described } of relations) {
      const name = this.#relations.get(oid)?.route?.name ?? described;
      watermarks.truncated(name);
      rows.parents.emptied(name);
      rows.childrenEmptied(name);
      if (rows.routes.childrenOf(name).some((child) => !emptied.has(child))) onParentEmptied(name);
      if (this.#relations.get(oid)?.route?.sent !== true) continue;
      log.warn({ table: name }, 'TRUNCATE: the rows that the streams hold are deleted one by one');
      onTruncate(name, writer.position);
    }
  }

  #message(prefix: string, content: Buffer, transactional: boolean): Promise<void> | undefined {
    if (!transactional) return undefined;
    this.#options.writer.nextSeq();
    switch (prefix) {
      case HEARTBEAT_PREFIX:
        this.#options.rows.routes.cache.decodedUpTo(content.toString('latin1'));
        this.#options.heartbeats.beat(this.#options.writer, content.toString('latin1'));
        return undefined;
      case MARKER_PREFIX:
        this.#options.heartbeats.answer(this.#options.writer, content);
        return undefined;
      case CHUNK_PREFIX:
        return this.#watermark(content.toString('utf8'));
      default:
        return undefined;
    }
  }

  async #watermark(content: string): Promise<void> {
    const [edge, id = ''] = content.split(' ');
    if (edge === 'low') {
      this.#options.watermarks.low(id);
      return;
    }
    const verdict = await this.#options.watermarks.high(id);
    if (verdict !== undefined) this.#chunk = { id, verdict };
  }

  #commit(endLsn: Lsn): Promise<void> | undefined {
    const { writer, watermarks, origins } = this.#options;
    watermarks.committed(writer.xid);
    origins.clear();
    writer.commit(endLsn);
    if (this.#chunk !== null) {
      const { id, verdict } = this.#chunk;
      this.#chunk = null;
      this.#options.onChunk(id, verdict, endLsn);
    }
    if (this.#newMapping === null && !this.#reshaped) {
      this.#wantSeeding();
      return undefined;
    }
    const source = this.#newMapping;
    this.#newMapping = null;
    const isReshaped = this.#reshaped;
    this.#reshaped = false;
    return this.#reload(source, isReshaped).then(() => this.#wantSeeding());
  }

  #wantSeeding(): void {
    if (!this.#seedingWanted) return;
    this.#seedingWanted = false;
    this.#options.onSeedingWanted(this.#options.writer.xid);
  }
}
