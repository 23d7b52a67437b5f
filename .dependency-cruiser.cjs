// The import table of the house: each folder of src/ and what it may import.
const table = {
  base: [],
  ports: ['base'],
  wire: ['base'],
  trust: ['base', 'wire', 'ports'],
  link: ['base', 'wire', 'ports'],
  topology: ['base', 'wire', 'ports'],
  storage: ['base', 'wire', 'ports', 'trust'],
  'overlay-config': ['base', 'wire', 'ports', 'trust'],
  overlay: [
    'base',
    'wire',
    'ports',
    'trust',
    'link',
    'storage',
    'overlay-config',
    'topology/plugin',
  ],
  usages: ['base', 'wire', 'ports', 'trust', 'overlay', 'overlay-config', 'storage', 'link/ice'],
  sip: ['base', 'ports'],
  adapter: ['base', 'wire', 'ports', 'trust', 'sip', 'usages', 'overlay', 'overlay-config'],
  'authority/core': ['base', 'ports', 'trust', 'overlay-config'],
  'authority/http': ['base', 'ports', 'authority/core', 'node', 'overlay-config'],
  node: ['base', 'ports'],
};

const extra = { usages: ['sip/message'] };

const pure = Object.keys(table).filter((f) => !['node', 'authority/http'].includes(f));

function pattern(folder) {
  return folder === 'topology/plugin' ? '^src/topology/plugin\\.ts$' : `^src/${folder}/`;
}

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
    ...Object.entries(table).map(([folder, allowed]) => ({
      name: `imports-of-${folder.replace('/', '-')}`,
      severity: 'error',
      from: { path: pattern(folder) },
      to: {
        path: '^src/',
        pathNot: [folder, ...allowed, ...(extra[folder] ?? [])].map(pattern),
      },
    })),
    {
      name: 'pure-folders-import-no-platform',
      severity: 'error',
      from: {
        path: pure.map(pattern),
        pathNot: ['^src/base/hash\\.ts$', '^src/base/text\\.ts$'],
      },
      to: { dependencyTypes: ['core', 'npm', 'npm-dev', 'npm-optional', 'npm-no-pkg'] },
    },
    {
      name: 'sim-is-a-host-without-platform-shortcuts',
      severity: 'error',
      from: { path: '^src/sim/' },
      to: { path: '^src/(node|admin|cli|authority/http)/' },
    },
    {
      name: 'admin-does-not-import-cli',
      severity: 'error',
      from: { path: '^src/admin/' },
      to: { path: '^src/cli/' },
    },
    {
      name: 'product-does-not-import-tests',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|scripts)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.mjs'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
