/** Carries out commands. Edits give every value a number of its own, so that each can be told apart later. */
import { unreachable } from '../../../services/shared/errors.ts';
import type { Command } from './commands.ts';
import { migrate, sqlOf, type MigrateCommand } from './migrations.ts';
import type { ModelTill } from './till.ts';
import type { World } from './world.ts';

type TillCommand = Exclude<Extract<Command, { at: 'till' }>, MigrateCommand>;
type CentreCommand = Extract<Command, { at: 'centre' }>;
type AgentCommand = Extract<Command, { at: 'agent' }>;

/** What was ever sold or entered, by its unique mark: the truth to compare with. */
export interface Truth {
  /** Ticket numbers made anywhere and not deleted by anybody. */
  readonly tickets: Set<string>;
  readonly deleted: Set<string>;
}

export class Play {
  readonly world: World;
  readonly truth: Truth = { tickets: new Set(), deleted: new Set() };
  #number = 0;

  constructor(world: World) {
    this.world = world;
  }

  async run(command: Command): Promise<void> {
    switch (command.at) {
      case 'till':
        if (command.does === 'migrate') await this.#migrate(this.#till(command.till), command);
        else this.#atTill(this.#till(command.till), command);
        return;
      case 'centre':
        await this.#atCentre(command);
        return;
      case 'agent':
        await this.#agent(this.#till(command.till), command);
        return;
      case 'apply':
        if (command.does === 'read') await this.world.applyNext(command.records);
        else await this.world.applyAgain(command.back);
        return;
      case 'log':
        await this.world.captured();
        await this.world.compact(command.stream);
        return;
      default:
        unreachable(command);
    }
  }

  #till(index: number): ModelTill {
    const till = this.world.tills[index];
    if (till === undefined) throw new Error(`no till ${index}`);
    return till;
  }

  #mark(where: string): string {
    this.#number += 1;
    return `${where}-${this.#number}`;
  }

  async #agent(till: ModelTill, command: AgentCommand): Promise<void> {
    switch (command.does) {
      case 'cut':
        till.agent.till.appCommitted();
        till.agent.capture.cutUnit();
        return;
      case 'publish':
        await till.agent.publisher.publishNext();
        return;
      case 'publish again':
        till.agent.publisher.republishAll();
        return;
      case 'restart':
        till.stop();
        await till.start();
        return;
      case 'look through':
        await till.lookThrough();
        return;
      case 'read':
        await this.world.captured();
        await till.read(command.stream, command.records);
        return;
      default:
        unreachable(command);
    }
  }

  #atTill(till: ModelTill, command: TillCommand): void {
    const { app } = till;
    const now = new Date().toISOString();
    switch (command.does) {
      case 'insert':
        this.#insertAtTill(till, command, now);
        return;
      case 'rename': {
        const id = pickLocal(till, command.table, command.pick);
        if (id === undefined) return;
        app
          .prepare(`UPDATE ${command.table} SET name = ?, updated_at = ? WHERE id = ?`)
          .run(this.#mark(till.setup.id), now, id);
        return;
      }
      case 'move stock': {
        const id = pickLocal(till, 'items', command.pick);
        if (id === undefined) return;
        app
          .prepare('UPDATE items SET stock = stock + ?, updated_at = ? WHERE id = ?')
          .run(command.amount, now, id);
        return;
      }
      case 'delete': {
        const id = pickLocal(till, command.table, command.pick);
        if (id !== undefined) this.#deleteAtTill(till, command.table, id);
        return;
      }
      case 'rebuild':
        rebuild(till, command.table, () => {
          this.#atTill(till, { ...command, does: 'move stock' });
          if (command.table !== 'lines')
            this.#atTill(till, { ...command, table: command.table, does: 'rename' });
        });
        return;
      default:
        unreachable(command);
    }
  }

  async #migrate(till: ModelTill, command: MigrateCommand): Promise<void> {
    const { table, pick } = command;
    const now = new Date().toISOString();
    await migrate(till, command, {
      edit: (column) => {
        const id = pickLocal(till, table, pick);
        if (id === undefined) return;
        till.app
          .prepare(`UPDATE ${table} SET ${column} = ?, updated_at = ? WHERE id = ?`)
          .run(this.#mark(till.setup.id), now, id);
      },
      sell: () => {
        const other = table === 'tickets' ? 'items' : 'tickets';
        this.#insertAtTill(till, { at: 'till', till: 0, does: 'insert', table: other, pick }, now);
      },
    });
  }

  #insertAtTill(till: ModelTill, command: Extract<TillCommand, { does: 'insert' }>, now: string): void {
    const { app } = till;
    const mark = this.#mark(till.setup.id);
    const identity = crypto.randomUUID();
    if (command.table === 'items') {
      app
        .prepare('INSERT INTO items (sku, name, stock, local_id, updated_at) VALUES (?, ?, 10, ?, ?)')
        .run(`sku-${mark}`, mark, identity, now);
      return;
    }
    if (command.table === 'tickets') {
      this.truth.tickets.add(mark);
      app
        .prepare('INSERT INTO tickets (number, name, local_id, updated_at) VALUES (?, ?, ?, ?)')
        .run(mark, mark, identity, now);
      return;
    }
    const ticket = pickLocal(till, 'tickets', command.pick);
    if (ticket === undefined) return;
    const item = pickLocal(till, 'items', command.pick);
    app
      .prepare(
        'INSERT INTO lines (ticket_id, item_id, quantity, local_id, updated_at) VALUES (?, ?, 2, ?, ?)',
      )
      .run(ticket, item ?? null, identity, now);
  }

  /** As an app does: what hangs on the row goes with it, in one transaction. */
  #deleteAtTill(till: ModelTill, table: 'items' | 'tickets' | 'lines', id: number): void {
    const { app } = till;
    app.transaction(() => {
      if (table === 'tickets') {
        this.truth.deleted.add(
          app.prepare<[number], string>('SELECT number FROM tickets WHERE id = ?').pluck().get(id) ?? '',
        );
        app.prepare('DELETE FROM lines WHERE ticket_id = ?').run(id);
      }
      if (table === 'items') app.prepare('UPDATE lines SET item_id = NULL WHERE item_id = ?').run(id);
      app.prepare(`DELETE FROM ${table} WHERE id = ?`).run(id);
    })();
  }

  async #atCentre(command: CentreCommand): Promise<void> {
    const { pool } = this.world;
    const mark = this.#mark('H');
    switch (command.does) {
      case 'insert':
        if (command.table === 'items')
          await pool.query('INSERT INTO items (sku, name, stock) VALUES ($1, $2, 10)', [`sku-${mark}`, mark]);
        else {
          this.truth.tickets.add(mark);
          await pool.query('INSERT INTO tickets (store_id, number, name) VALUES ($1, $2, $2)', [
            1 + (command.pick % 2),
            mark,
          ]);
        }
        return;
      case 'rename':
        await pool.query(`UPDATE ${command.table} SET name = $1 WHERE id = (${pickCentral(command.table)})`, [
          mark,
          command.pick,
        ]);
        return;
      case 'move stock':
        await pool.query(`UPDATE items SET stock = stock + $1 WHERE id = (${pickCentral('items')})`, [
          command.amount,
          command.pick,
        ]);
        return;
      case 'delete': {
        const gone = await pool.query<{ mark: string }>(
          `DELETE FROM ${command.table} WHERE id = (SELECT id FROM ${command.table} ORDER BY id
             OFFSET ($1::int % greatest(1, (SELECT count(*)::int FROM ${command.table}))) LIMIT 1)
           RETURNING ${command.table === 'tickets' ? 'number' : 'sku'} AS mark`,
          [command.pick],
        );
        for (const row of gone.rows) this.truth.deleted.add(row.mark);
        return;
      }
      default:
        unreachable(command);
    }
  }
}

function pickLocal(till: ModelTill, table: string, pick: number): number | undefined {
  const ids = till.app.prepare<[], number>(`SELECT id FROM ${table} ORDER BY id`).pluck().all();
  return ids[pick % Math.max(1, ids.length)];
}

function pickCentral(table: string): string {
  return `SELECT id FROM ${table} ORDER BY id OFFSET ($2::int % greatest(1, (SELECT count(*)::int FROM ${table}))) LIMIT 1`;
}

/** In one transaction, without foreign keys, as SQLite's documentation advises; our triggers go with the old table. */
function rebuild(till: ModelTill, table: string, edit: () => void): void {
  const { app } = till;
  const sql = sqlOf(till, table).replace(/^CREATE TABLE "?\w+"?/, 'CREATE TABLE rebuilt');
  app.pragma('foreign_keys = OFF');
  app.transaction(() => {
    app.exec(`${sql}; INSERT INTO rebuilt SELECT * FROM ${table};
      DROP TABLE ${table}; ALTER TABLE rebuilt RENAME TO ${table}`);
    edit();
  })();
  app.pragma('foreign_keys = ON');
}
