/**
 * Files that run at the same time share no PostgreSQL: what they do to a server (slots, open transactions, WAL) is seen
 * by all of its databases. `scripts/test` starts one for each worker of vitest that runs such files.
 */
const urls = (process.env['TEST_DATABASE_URLS'] ?? '').split(' ').filter((url) => url !== '');
const url = urls[Number(process.env['VITEST_POOL_ID']) - 1];
if (url !== undefined) process.env['TEST_DATABASE_URL'] = url;
