import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { SchemasWatch } from '../../../../services/central-capture/streams/schemas-watch.ts';
import { changeSchema } from '../../../../services/shared/records/change-schema.ts';
import { EmbeddedLog } from '../../../../services/shared/log/embedded-log.ts';
import { topicSpecSchemas } from '../../../../services/shared/log/topics.ts';
import { SchemaRegistry } from '../../../../services/shared/records/schema-registry.ts';

const schemaOf = (table: string) =>
  changeSchema(table, ['id'], [{ name: 'id', kind: 'int', type: 'integer' }]);

it('a session that finds all schemas in their topic writes none, and says nothing of a loss', async () => {
  const written: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void written.push(line) });
  const folder = mkdtempSync(join(tmpdir(), 'payflow-schemas-'));
  const eventLog = new EmbeddedLog({ file: join(folder, 'log.db'), log, maintenanceMs: 0 });
  try {
    await eventLog.createTopic(topicSpecSchemas('t'));
    const schemas = [schemaOf('products'), schemaOf('orders')];
    const session = () => {
      const registry = new SchemaRegistry({ eventLog, prefix: 't' });
      const notes = { schemas: () => Promise.resolve(schemas), noteSchemas: () => Promise.resolve() };
      return {
        registry,
        watch: new SchemasWatch({ eventLog, prefix: 't', schemas: registry, notes, log }),
      };
    };
    for (const schema of schemas) await session().registry.publish(schema);
    const stream = { topic: topicSpecSchemas('t').topic, partition: 0 };
    const { end } = await eventLog.offsets(stream);
    const next = session();
    await next.watch.look(new AbortController().signal);
    await next.watch.look(new AbortController().signal);
    expect(next.registry.known).toHaveLength(2);
    expect([(await eventLog.offsets(stream)).end, written]).toEqual([end, []]);
  } finally {
    await eventLog.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
