/** What to try while the demo keeps running. */
import { relative } from 'node:path';
import type { Tour } from './tour.ts';

export function showFarewell({ site, screen }: Tour): void {
  const { tills, databaseUrl, gatewayUrl, token, config, logFile } = site;
  const [t1, t2] = tills;
  const kafka = config.kafkaBrokers?.join(',');
  const here = (path: string) => relative(process.cwd(), path) || path;
  screen.heading('Everything keeps running until Ctrl-C');
  const facts = {
    gateway: gatewayUrl,
    API: `${gatewayUrl}/docs`,
    token,
    database: databaseUrl,
    [`till ${t1.id}`]: here(t1.file),
    [`till ${t2.id}`]: here(t2.file),
    'event log': kafka === undefined ? 'embedded' : `Kafka at ${kafka}`,
    services: `log to ${here(logFile)}`,
  };
  screen.line();
  for (const [name, fact] of Object.entries(facts)) screen.line(`   ${name.padEnd(10)} ${fact}`);
  screen.heading('To try, in another terminal');
  const commands = [
    `psql '${databaseUrl}' -c "UPDATE products SET price = 4.99 WHERE id = 1"`,
    `sqlite3 ${here(t1.file)} "SELECT name, price, stock_quantity FROM products WHERE server_id = 1"`,
    `sqlite3 ${here(t2.file)} "UPDATE customers SET notes = 'hello' WHERE id = 1"`,
    `psql '${databaseUrl}' -c "SELECT full_name, notes FROM customers WHERE notes IS NOT NULL"`,
    `curl -X POST ${gatewayUrl}/api/v1/sync -H 'authorization: Bearer ${token}' -H 'content-type: application/json' \\\n` +
      `     -d '{"terminalId": "${t2.id}", "direction": "both", "wait": true}'`,
    `GATEWAY_URL=${gatewayUrl} PAYFLOW_TOKEN=${token} scripts/payflow status`,
  ];
  screen.line();
  for (const command of commands) screen.line(`   ${command}`);
  screen.line();
}
