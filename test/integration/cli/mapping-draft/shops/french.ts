/**
 * A shop whose head office and till both speak French and agree in no name: quoted names with spaces and capitals, a
 * reserved word, composite keys, a stock keyed by its article, receipt numbers that begin anew in each store, no table of
 * stores on the till, and codes where the other side has numbers.
 */
import { counted, momentOf, scattered, uuidOf, type ForeignShop } from './shop.ts';

const ARTICLES = 120;
const CLIENTS = 30;
const TICKETS = 90;
const STORE = 12;
const code = (n: number) => `ART${1000 + n}`;
const price = (n: number) => 99 + (scattered(n) % 5_000);
const rate = (n: number) => (n % 3 === 0 ? 5.5 : 20);
const lineOf = (ticket: number, line: number) => (7 * ticket + line) % ARTICLES;
const linesOf = (ticket: number) => counted(1 + (ticket % 3));
const totalOf = (ticket: number) =>
  linesOf(ticket).reduce((sum, line) => sum + 2 * price(lineOf(ticket, line)), 0);
/** Half of the receipts stand at head office already. */
const isKnown = (ticket: number) => ticket % 2 === 0;

function paris(ms: number): string {
  return new Intl.DateTimeFormat('sv-SE', {
    timeZone: 'Europe/Paris',
    dateStyle: 'short',
    timeStyle: 'medium',
  }).format(ms);
}

export const FRENCH_SHOP: ForeignShop = {
  async enterCentre(pool) {
    await pool.query(`
      CREATE SCHEMA caisse;
      CREATE TABLE caisse."Sites de vente" (id integer PRIMARY KEY, nom text NOT NULL);
      CREATE TABLE caisse."Articles" (code varchar(20) PRIMARY KEY, libelle text NOT NULL, prix numeric(10,2) NOT NULL, tva numeric(5,2) NOT NULL DEFAULT 20,
        cree_le timestamptz NOT NULL DEFAULT now(), "Modifié le" timestamptz);
      CREATE TABLE caisse."Clients" (id uuid PRIMARY KEY, nom text NOT NULL, courriel text UNIQUE, fidele boolean NOT NULL DEFAULT false);
      CREATE TABLE caisse."order" (id bigserial PRIMARY KEY, site integer NOT NULL REFERENCES caisse."Sites de vente", ticket text NOT NULL,
        client uuid REFERENCES caisse."Clients", total numeric(12,2) NOT NULL, vendu_le timestamptz NOT NULL, UNIQUE (site, ticket));
      CREATE TABLE caisse."Lignes de vente" (vente_id bigint NOT NULL REFERENCES caisse."order", no_ligne integer NOT NULL,
        article varchar(20) NOT NULL REFERENCES caisse."Articles", quantite numeric(10,3) NOT NULL, prix_unitaire numeric(10,2) NOT NULL,
        PRIMARY KEY (vente_id, no_ligne));
      CREATE TABLE caisse."Stock" (site integer NOT NULL REFERENCES caisse."Sites de vente", article varchar(20) NOT NULL REFERENCES caisse."Articles",
        qte numeric(10,3) NOT NULL DEFAULT 0, PRIMARY KEY (site, article));
      INSERT INTO caisse."Sites de vente" VALUES (1, 'Lyon'), (2, 'Paris'), (${STORE}, 'Nîmes');`);
    for (const n of counted(ARTICLES)) {
      await pool.query(
        `INSERT INTO caisse."Articles" VALUES ($1, $2, $3, $4, to_timestamp($5), to_timestamp($6))`,
        [code(n), `Produit n° ${n}`, price(n) / 100, rate(n), momentOf(n) / 1000, momentOf(n + 500) / 1000],
      );
      await pool.query(`INSERT INTO caisse."Stock" VALUES (1, $1, $2), (${STORE}, $1, $3)`, [
        code(n),
        (scattered(n) % 40) + 7,
        scattered(n) % 40,
      ]);
    }
    for (const n of counted(CLIENTS))
      await pool.query(`INSERT INTO caisse."Clients" VALUES ($1, $2, $3, $4)`, [
        uuidOf(3, n),
        `Client ${n}`,
        `client${n}@example.fr`,
        n % 2 === 0,
      ]);
    const sale = `INSERT INTO caisse."order" (site, ticket, client, total, vendu_le) VALUES ($1, $2, $3, $4, to_timestamp($5)) RETURNING id`;
    for (const n of counted(TICKETS)) {
      // The other stores give the same numbers to other sales.
      if (n % 3 === 0) await pool.query(sale, [1, `T${5000 + n}`, null, 9.99, momentOf(n + 900) / 1000]);
      if (!isKnown(n)) continue;
      const client = n % 4 === 0 ? uuidOf(3, n % CLIENTS) : null;
      const { rows } = await pool.query<{ id: string }>(sale, [
        STORE,
        `T${5000 + n}`,
        client,
        totalOf(n) / 100,
        momentOf(n) / 1000,
      ]);
      for (const line of linesOf(n))
        await pool.query(`INSERT INTO caisse."Lignes de vente" VALUES ($1, $2, $3, 2, $4)`, [
          rows[0]?.id,
          line + 1,
          code(lineOf(n, line)),
          price(lineOf(n, line)) / 100,
        ]);
    }
  },
  enterTill(db) {
    db.exec(`
      CREATE TABLE tbl_article (id_article INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT NOT NULL UNIQUE, designation TEXT, prix_cents INTEGER NOT NULL,
        tva REAL, date_creation INTEGER, maj TEXT);
      CREATE TABLE client (id TEXT PRIMARY KEY, nom TEXT, email TEXT, fidele INTEGER);
      CREATE TABLE "Tickets de caisse" (id INTEGER PRIMARY KEY, "no ticket" TEXT NOT NULL, client_id TEXT REFERENCES client (id), total_cents INTEGER, "date heure" TEXT);
      CREATE TABLE "ligne ticket" (ticket INTEGER NOT NULL REFERENCES "Tickets de caisse" (id), ligne INTEGER NOT NULL,
        article_id INTEGER REFERENCES tbl_article (id_article), qte REAL, pu_cents INTEGER, PRIMARY KEY (ticket, ligne)) WITHOUT ROWID;
      CREATE TABLE stock (article_id INTEGER PRIMARY KEY REFERENCES tbl_article, qte REAL);
      CREATE TABLE param (cle TEXT PRIMARY KEY, valeur TEXT);`);
    const article = db.prepare('INSERT INTO tbl_article VALUES (?, ?, ?, ?, ?, ?, ?)');
    const idOf = (n: number) => ARTICLES - n;
    for (const n of counted(ARTICLES))
      article.run(
        idOf(n),
        code(n),
        `Produit n° ${n}`,
        price(n),
        rate(n),
        momentOf(n) / 1000,
        paris(momentOf(n + 500)),
      );
    for (const n of counted(ARTICLES))
      db.prepare('INSERT INTO stock VALUES (?, ?)').run(idOf(n), scattered(n) % 40);
    for (const n of counted(CLIENTS))
      db.prepare('INSERT INTO client VALUES (?, ?, ?, ?)').run(
        uuidOf(3, n),
        `Client ${n}`,
        `client${n}@example.fr`,
        n % 2 === 0 ? 1 : 0,
      );
    const ticket = db.prepare('INSERT INTO "Tickets de caisse" VALUES (?, ?, ?, ?, ?)');
    const line = db.prepare('INSERT INTO "ligne ticket" VALUES (?, ?, ?, ?, ?)');
    for (const n of counted(TICKETS)) {
      const client = n % 4 === 0 ? uuidOf(3, n % CLIENTS) : null;
      ticket.run(n + 1, `T${5000 + n}`, client, totalOf(n), paris(momentOf(n)));
      for (const at of linesOf(n)) line.run(n + 1, at + 1, idOf(lineOf(n, at)), 2, price(lineOf(n, at)));
    }
  },
};
