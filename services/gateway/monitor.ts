/**
 * `/monitor`, for people who watch: the status at connect and on change, what happens to jobs, and each new
 * conflict and dead letter. PostgreSQL is asked only while somebody watches, and only after something happened.
 */
import type { Namespace, Socket } from 'socket.io';
import type { GatewayContext } from './context.ts';
import { newestConflicts, newestDeadLetters, type ConflictRow, type DeadLetterRow } from './evidence.ts';
import { roleOf } from './evidence-view.ts';
import type { Principal, Role } from './http/auth.ts';
import { quietly } from './quietly.ts';
import { systemStatus, type SystemStatus } from './status.ts';

/** Changes that come together are shown together. */
const SHOW_EVERY_MS = 500;
/** Of more than so many at once, the newest are shown; all are in the lists. */
const SHOWN_AT_ONCE = 100;

interface News {
  readonly conflicts: readonly ConflictRow[];
  readonly deadLetters: readonly DeadLetterRow[];
}

export class Monitor {
  readonly #context: GatewayContext;
  readonly #watchers: Namespace;
  readonly #conflicts = new Unshown();
  readonly #deadLetters = new Unshown();
  #timer: NodeJS.Timeout | undefined;
  /** While anybody watches: what was there before the first of them came is known once this is done. */
  #begun: Promise<unknown> | undefined;

  constructor(context: GatewayContext, watchers: Namespace) {
    this.#context = context;
    this.#watchers = watchers;
    watchers.on('connection', (socket) => void this.#connected(socket));
    context.agents.on({ changed: () => this.changed() });
    context.verify.onNews((event, news) => {
      watchers.emit(event, news);
      if (event !== 'verify:progress') this.changed();
    });
    context.jobs.onPart((event, jobId, part) => {
      watchers.emit(event, { jobId, ...part });
      this.changed();
    });
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Something happened that the status may show. */
  changed(): void {
    if (this.#watchers.sockets.size === 0 || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#show();
    }, SHOW_EVERY_MS);
  }

  async #connected(socket: Socket): Promise<void> {
    socket.on('disconnect', () => {
      if (this.#watchers.sockets.size === 0) this.#begun = undefined;
    });
    // What was decided while nobody watched is in the lists. Several may come at once; none is told before it is read.
    this.#begun ??= this.#readNews();
    await this.#begun;
    await socket.join(roleOf((socket.data as { principal: Principal }).principal));
    const status = await this.#status();
    if (status !== undefined) socket.emit('status', status);
  }

  async #show(): Promise<void> {
    await this.#begun;
    const news = await this.#readNews();
    if (news !== undefined) {
      for (const role of ['viewer', 'operator'] as const) await this.#tell(news, role);
    }
    const status = await this.#status();
    if (status !== undefined) this.#watchers.emit('status', status);
  }

  async #tell({ conflicts, deadLetters }: News, role: Role): Promise<void> {
    const { evidence, log } = this.#context;
    const shown = await quietly(log, 'conflicts and dead letters could not be shown', () =>
      Promise.all([evidence.conflicts(conflicts, role), evidence.deadLetters(deadLetters, role)]),
    );
    for (const conflict of shown?.[0] ?? []) this.#watchers.to(role).emit('conflict', conflict);
    for (const letter of shown?.[1] ?? []) this.#watchers.to(role).emit('dead-letter', letter);
  }

  #readNews(): Promise<News | undefined> {
    const newest = { before: null, limit: SHOWN_AT_ONCE };
    return quietly(this.#context.log, 'conflicts and dead letters could not be read', async () => {
      const { pool } = this.#context;
      const [conflicts, deadLetters] = await Promise.all([
        newestConflicts(pool, newest),
        newestDeadLetters(pool, newest),
      ]);
      return {
        conflicts: this.#conflicts.of(conflicts, ({ conflictId }) => conflictId),
        deadLetters: this.#deadLetters.of(deadLetters, ({ deadLetterId }) => deadLetterId),
      };
    });
  }

  #status(): Promise<SystemStatus | undefined> {
    return quietly(this.#context.log, 'the status could not be read', () => systemStatus(this.#context));
  }
}

/** Remembers which of the newest rows were there before; ids alone do not tell, since they commit out of order. */
class Unshown {
  #known: ReadonlySet<string> = new Set();

  /** @param newest newest first @returns those that were not there the last time, oldest first */
  of<T>(newest: readonly T[], id: (row: T) => string): T[] {
    const known = this.#known;
    this.#known = new Set(newest.map(id));
    return newest.filter((row) => !known.has(id(row))).reverse();
  }
}
