/** What to try while the demo keeps running. */
import { relative } from 'node:path';
import type { Tour } from './tour.ts';

export function showFarewell({ site, screen }: Tour): void {
  const { tills, databaseUrl, gatewayUrl, token, config, logFile } = site;
  const kafka = config.kafkaBrokers?.join(',');
  const [t1, t2] = tills;
  const here = (path: string) => relative(process.cwd(), path) || path;
  screen.heading('Everything keeps running until Ctrl-C');
  screen.line();
  screen.line(`   gateway   ${gatewayUrl}`);
  screen.line(`   API       ${gatewayUrl}/docs`);
  screen.line(`   token     ${token}`);
  screen.line(`   database  ${databaseUrl}`);
  for (const till of tills) screen.line(`   till ${till.id}   ${here(till.file)}`);
  screen.line(
    `   log       ${kafka === undefined ? 'embedded' : `Kafka ${kafka}`}; the services write to ${here(logFile)}`,
  );
  screen.line();
  screen.line('   Try, in another terminal:');
  screen.line();
  screen.line(`   psql '${databaseUrl}' -c "UPDATE products SET price = 4.99 WHERE id = 1"`);
  screen.line(
    `   sqlite3 ${here(t1.file)} "SELECT name, price, stock_quantity FROM products WHERE server_id = 1"`,
  );
  screen.line(`   sqlite3 ${here(t2.file)} "UPDATE customers SET notes = 'hello' WHERE id = 1"`);
  screen.line(`   psql '${databaseUrl}' -c "SELECT full_name, notes FROM customers WHERE notes IS NOT NULL"`);
  screen.line(`   export GATEWAY_URL=${gatewayUrl} PAYFLOW_TOKEN=${token}`);
  screen.line('   scripts/payflow status');
  screen.line(`   scripts/payflow sync --terminal ${t2.id} --wait`);
}
