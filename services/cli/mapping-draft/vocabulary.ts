/**
 * Words of the trade that mean the same, for guessing which column is which: English, their abbreviations, German, and
 * what is common in French, Spanish, Italian, Portuguese and Dutch. Only evidence for a draft that a person reads; nothing else looks here. A word
 * may stand in several lines. In lower case, umlauts written out, in the singular.
 */
const SAME: readonly string[] = [
  'store shop branch filiale laden markt outlet site location standort niederlassung tienda magasin boutique negozio loja winkel sucursal',
  'terminal till register pos kasse device geraet caja caisse station kassennummer cassa caixa kassa',
  'user cashier employee staff clerk operator bediener kassierer mitarbeiter personal verkaeufer benutzer seller caissier caissiere vendeur employe usuario empleado cajero utente',
  'customer client kunde kd cust cliente debitor member mitglied clienta klant',
  'supplier vendor lieferant lief proveedor kreditor fournisseur fornitore fornecedor leverancier',
  'product article item artikel art ware prod produkt producto produit sku articulo articolo artigo produto prodotto',
  'category group gruppe kategorie kat cat warengruppe wg wgr department abteilung rubrik categoria categorie famille rayon familia rubrique',
  'variant option auspraegung variante modifier',
  'order sale sales bon beleg verkauf ticket transaction auftrag bestellung invoice rechnung venta commande kopf header vente vendita venda ordine pedido factura facture fattura bestelling verkoop',
  'line item position pos detail zeile posten row ligne linea riga regel linha detalle',
  'payment zahlung pay tender zahlart pago paiement reglement pagamento betaling',
  'receipt beleg bon quittung kassenbon ticket recibo recu',
  'tax vat steuer mwst ust iva tva duty taxe impuesto imposta imposto btw',
  'discount rabatt nachlass rebate reduction promo promotion aktion coupon remise descuento sconto desconto korting',
  'inventory stock bestand lager inv lagerbestand warehouse onhand inventaire existencias estoque voorraad',
  'movement transaction bewegung buchung adjustment journal move mvt txn trans mouvement movimiento movimento',
  'setting config configuration einstellung parameter option preference pref',
  'log audit protokoll history verlauf event ereignis journal',
  'purchase einkauf bestell procurement ek',
  'id key schluessel uid',
  'number no nr num nummer nbr numero code',
  'code kuerzel short sku ref kennung',
  'name title bezeichnung bez label titel benennung nom nombre caption libelle designation intitule nome naam denominacion',
  'first vor given vorname prenom',
  'last nach family nachname',
  'description desc beschreibung text beschr note descripcion descrizione descricao omschrijving',
  'note remark comment bemerkung notiz kommentar anmerkung memo remarque nota',
  'price preis prs rate vk unit prix precio prezzo preco prijs tarif pu unitaire unitario',
  'cost ek einkauf purchase kosten cout costo custo achat',
  'amount betrag amt sum summe value wert montant importe importo valor bedrag',
  'total summe gesamt sum brutto gross endbetrag totale totaal ttc',
  'subtotal netto net zwischensumme ht',
  'quantity qty menge anzahl count mng cantidad quantite stueck stk qte quantita quantidade aantal',
  'unit einheit ea uom',
  'barcode ean gtin upc strichcode',
  'phone telephone tel telefon mobile telefono fon portable',
  'email mail courriel correo',
  'address addr anschrift adresse strasse street direccion indirizzo endereco rue adres',
  'city ort stadt town ville ciudad citta cidade',
  'zip postal plz postcode postleitzahl cp',
  'country land pays pais paese',
  'created create angelegt erstellt insert added inserted anlage erfasst cree creation creado creato criado',
  'updated update aend changed change modified modify geaendert mod aenderung edited upd modifie modification maj actualizado aggiornato',
  'deleted delete removed geloescht del loesch archived supprime efface eliminado',
  'at on am date time dat datum zeit timestamp ts zeitpunkt dt when stamp heure fecha hora ora',
  'sold verkauft sale verkauf vendu vendido venduto vente',
  'paid bezahlt gezahlt zahlung paye pagado pagato',
  'active enabled aktiv is flag live actif activo attivo ativo actief',
  'status state zustand stand etat statut estado stato',
  'kind type typ art sort category genre tipo',
  'method methode mode',
  'cent cents minor',
  'points punkte loyalty treue bonus fidelite puntos punti',
  'birthday birth geburtstag geburtsdatum geb dob naissance',
  'pin passwort password pwd passwd hash',
  'role rolle',
  'tendered gegeben given received',
  'reason grund ursache',
  'start beginn begin from von ab',
  'end ende until bis to',
  'percent prozent pct rate satz',
  'rate satz',
  'parent ober eltern vater',
  'reference ref referenz',
  'sort order reihenfolge rang rank',
];

const MEANINGS = new Map<string, Set<number>>();
SAME.forEach((line, meaning) => {
  for (const word of line.split(' ')) {
    const known = MEANINGS.get(word);
    if (known === undefined) MEANINGS.set(word, new Set([meaning]));
    else known.add(meaning);
  }
});

/** Endings of plurals and joints, longest first. */
const ENDINGS = ['ies', 'es', 'en', 's', 'n', 'e'] as const;

/** @returns the word as the vocabulary has it; null for one that it does not know */
function knownForm(word: string): string | null {
  if (MEANINGS.has(word)) return word;
  for (const ending of ENDINGS) {
    if (!word.endsWith(ending)) continue;
    const stem = word.slice(0, -ending.length);
    for (const form of ending === 'ies' ? [`${stem}y`] : [stem]) if (MEANINGS.has(form)) return form;
  }
  return null;
}

/** What a word may mean; empty for one that the vocabulary does not know. */
export function meaningsOf(word: string): ReadonlySet<number> {
  return MEANINGS.get(knownForm(word) ?? '') ?? new Set();
}

const SHORTEST_PART = 3;
/** That are never the beginning of another word. */
const SHORT_PARTS: readonly string[] = ['vk', 'ek', 'kd', 'wg'];

/** `artikelnummer` → artikel, nummer: where all of a word is made of words that are known; else the word itself. */
export function partsOf(word: string): readonly string[] {
  return knownForm(word) !== null ? [word] : (compound(word) ?? [word]);
}

function compound(word: string): string[] | null {
  for (let cut = word.length - 2; cut >= 2; cut -= 1) {
    const head = word.slice(0, cut);
    const tail = word.slice(cut);
    if (knownForm(head) === null || (cut < SHORTEST_PART && !SHORT_PARTS.includes(head))) continue;
    if (knownForm(tail) !== null) return [head, tail];
    const rest = tail.length > SHORTEST_PART ? compound(tail) : null;
    if (rest !== null) return [head, ...rest];
  }
  return null;
}
