// Entry of every npm script: runs on whatever Node is there, installs what is missing, then hands
// over to the pinned Node with the script or program asked for.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(root, '.cache');
const node = join(root, 'node_modules', 'node', 'bin', 'node');
const [command = 'help', ...rest] = process.argv.slice(2);

const scripts = {
  test: 'scripts/test.ts',
  verify: 'scripts/verify.ts',
  lab: 'scripts/lab.ts',
  conformance: 'scripts/conformance.ts',
  sim: 'scripts/sim.ts',
  bench: 'bench/bench.ts',
  fuzz: 'scripts/fuzz.ts',
  mutate: 'scripts/mutate.ts',
};

process.chdir(root);
install();
if (command === 'build') {
  build();
} else if (command === 'start') {
  build();
  run([join(root, 'dist', 'main.js'), 'quickstart', ...rest]);
} else if (command in scripts) {
  run([join(root, scripts[command]), ...rest]);
} else {
  console.error(
    `Unknown task "${command}". Tasks: start, build, ${Object.keys(scripts).join(', ')}.`,
  );
  process.exit(2);
}

/** `npm ci` when the lock file is not the one that was installed last. */
function install() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = join(cache, 'installed');
  if (existsSync(node) && existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  if (existsSync(node) && isInstalled()) return remember();
  console.error('Installing packages (npm ci) …');
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (npm.status !== 0 || !existsSync(node)) {
    console.error('npm ci failed. Check the network and run "npm ci" by hand to see why.');
    process.exit(1);
  }
  remember();

  function remember() {
    mkdirSync(cache, { recursive: true });
    writeFileSync(stamp, lock);
  }
}

/** Every package of the lock file is there in its version, left out those for other machines. */
function isInstalled() {
  const installedList = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installedList)) return false;
  const { packages: wanted } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const { packages: present } = JSON.parse(readFileSync(installedList, 'utf8'));
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === '' || present[path]?.version === version || (optional && !(path in present)),
  );
}

/** Compiles src/ to dist/ when a source is newer than the last build. */
function build() {
  const stamp = join(cache, 'built');
  const whole = existsSync(stamp) && existsSync(join(root, 'dist', 'main.js'));
  const built = whole ? statSync(stamp).mtimeMs : 0;
  if (newest(join(root, 'src')) < built && statSync('tsconfig.build.json').mtimeMs < built) return;
  console.error('Building …');
  // What an earlier build remembers is of use only while its result is there.
  if (!whole) rmSync(join(cache, 'tsconfig.build.tsbuildinfo'), { force: true });
  const tsc = spawnSync(node, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (tsc.status !== 0) {
    console.error('The build failed; the lines above say where.');
    process.exit(1);
  }
  mkdirSync(cache, { recursive: true });
  writeFileSync(stamp, '');
}

function newest(folder) {
  let latest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    latest = Math.max(latest, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs);
  }
  return latest;
}

/** Runs the pinned Node with the arguments, passing signals on, and ends as it ends. */
function run(args) {
  const child = spawn(node, args, { cwd: root, stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));
}
