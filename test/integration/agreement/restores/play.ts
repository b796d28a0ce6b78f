/** Carries out what happens to the files of one till, and knows what was sold. */
import { join } from 'node:path';
import type { ModelTill } from '../till.ts';
import type { World } from '../world.ts';
import type { RestoreCommand } from './commands.ts';
import { Machine, type Kept } from './machine.ts';

const MOST_MACHINES = 3;

export class RestorePlay {
  readonly world: World;
  /** The first is the till's own; others are clones that live beside it. */
  readonly machines: Machine[];
  /** Tickets that may not be lost whatever becomes of the files: an agent file that is still there has them in a unit. */
  readonly promised = new Set<string>();
  /** By ticket: its number, which is a power of three in the sum of its item. */
  readonly sales = new Map<string, number>();
  readonly #kept: Kept[] = [];
  #notes = 0;

  constructor(world: World, machine: Machine) {
    this.world = world;
    this.machines = [machine];
  }

  async run(command: RestoreCommand): Promise<void> {
    const machine = this.machines[command.at % this.machines.length] as Machine;
    const kept = this.#kept[command.pick % Math.max(1, this.#kept.length)];
    switch (command.does) {
      case 'sell':
        return this.sell(machine);
      case 'write a note':
        return this.#note(machine, command.pick);
      case 'cut':
        return machine.step(({ agent }) => {
          agent.till.appCommitted();
          agent.capture.cutUnit();
        });
      case 'publish':
        return machine.step(({ agent }) => agent.publisher.publishNext());
      case 'publish again':
        return machine.step(({ agent }) => agent.publisher.republishAll());
      case 'look through':
        return machine.step((till) => till.lookThrough());
      case 'read':
        await this.world.captured();
        return machine.step((till) => till.read(command.stream, command.records));
      case 'apply':
        await this.world.applyNext(command.records);
        return;
      case 'restart':
        return machine.restart();
      case 'die':
        return machine.dieAfter(command.commits);
      case 'keep':
        this.#kept.push(await machine.keep());
        return;
      case 'restore':
        if (kept !== undefined) await this.#restore(machine, kept, command);
        return;
      case 'take turns':
        if (kept === undefined) return;
        this.#kept[command.pick % this.#kept.length] = await machine.keep();
        await this.#restore(machine, kept, command);
        return;
      case 'lose the agent file':
        this.#lose(machine);
        return machine.loseAgentFile();
      case 'clone':
        if (kept !== undefined && this.machines.length < MOST_MACHINES) await this.#clone(kept);
        return;
    }
  }

  /** A ticket with its customer and its line, and what its item has sold. */
  sell(machine: Machine): void {
    const number = this.sales.size;
    const ticket = `S${number}`;
    this.sales.set(ticket, number);
    const { app } = machine.till;
    const now = new Date().toISOString();
    app.transaction(() => {
      const item = `SELECT id FROM items WHERE sku = 'sku-${number % 2}'`;
      const customer = app
        .prepare('INSERT INTO customers (mark, updated_at) VALUES (?, ?)')
        .run(ticket, now).lastInsertRowid;
      const { lastInsertRowid } = app
        .prepare('INSERT INTO tickets (customer_id, number, local_id, updated_at) VALUES (?, ?, ?, ?)')
        .run(customer, ticket, crypto.randomUUID(), now);
      app
        .prepare(`INSERT INTO lines (ticket_id, item_id, mark, updated_at) VALUES (?, (${item}), ?, ?)`)
        .run(lastInsertRowid, ticket, now);
      app
        .prepare(`UPDATE items SET sold = sold + ${3 ** number}, updated_at = ? WHERE id = (${item})`)
        .run(now);
    })();
  }

  #note(machine: Machine, pick: number): void {
    const { app } = machine.till;
    const ids = app.prepare<[], number>('SELECT id FROM tickets ORDER BY id').pluck().all();
    this.#notes += 1;
    app
      .prepare('UPDATE tickets SET note = ?, updated_at = ? WHERE id = ?')
      .run(`note ${this.#notes}`, new Date().toISOString(), ids[pick % Math.max(1, ids.length)] ?? 0);
  }

  async #restore(
    machine: Machine,
    kept: Kept,
    { way, what, sells }: Extract<RestoreCommand, { does: 'restore' | 'take turns' }>,
  ): Promise<void> {
    if (what === 'payflow.db') for (const ticket of machine.cutTickets()) this.promised.add(ticket);
    else this.#lose(machine);
    await machine.restore(kept, way, what, () => {
      for (let n = 0; n < sells; n += 1) this.sell(machine);
    });
  }

  /** What only its agent file had is lost with it. */
  #lose(machine: Machine): void {
    for (const ticket of machine.cutTickets()) this.promised.delete(ticket);
    this.promised.clear();
  }

  async #clone(kept: Kept): Promise<void> {
    const { setup } = this.machines[0] as Machine;
    const folder = join(setup.folder, `clone-${this.machines.length}`);
    this.machines.push(await Machine.open({ ...setup, folder }, kept));
  }
}

/** Its files are nobody's any more. */
export function switchOff(play: RestorePlay, survivor: Machine): void {
  for (const machine of play.machines) if (machine !== survivor) machine.close();
  play.machines.splice(0, Infinity, survivor);
}

export function agentOf(machine: Machine): ModelTill['agent'] {
  return machine.till.agent;
}
