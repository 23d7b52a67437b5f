/** Accounts for the digest scenario: `add-users.ts LAB_DIR COUNT` adds bench00000 … and probe. */
import { join } from 'node:path';
import { createAdminClient } from '../../src/cli/admin-client.ts';
import { settingsFiles } from '../../src/cli/data-dir.ts';
import { loadSettings } from '../../src/node/settings.ts';

const [labDir = '', count = '0'] = process.argv.slice(2);
const dir = join(labDir, 'authority');
const settings = loadSettings(settingsFiles(dir, []), {}, {});
if (!settings.ok) throw new Error(settings.error);
const client = createAdminClient(settings.value, dir);
const names = Array.from({ length: Number(count) }, (_, i) => `bench${String(i).padStart(5, '0')}`);
for (const name of [...names, 'probe']) {
  await client.send('POST', '/api/users', { name, password: 'benchpass' });
}
