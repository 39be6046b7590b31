// The command line of the contract. Each command is loaded only when it is asked for: `check` needs
// no cluster, and a worker never comes by here.

import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { SessionsAction, SessionsTarget } from './primary/sessions-command.ts';

const usage = `usage: ballast run --config FILE      run the load balancer in the foreground
       ballast check --config FILE    say "ok", or every problem of the file
       ballast templates [NAME]       list the templates, or print one
       ballast lab                    stand-in Exchange servers and Ballast before them
       ballast sessions list          who is signed in, and who is blocked
       ballast sessions kill USER     end all sessions of a user
       ballast sessions unlock USER   let a user who is blocked try again
                                      each with --config FILE or --admin HOST:PORT (127.0.0.1:8444)
       ballast --help | --version
`;

const usageExitCode = 2;

async function main(args: readonly string[]): Promise<number> {
  const command = readCommand(args);
  switch (command?.name) {
    case 'run': {
      const { runPrimary } = await import('./primary/primary.ts');
      return runPrimary(command.file);
    }
    case 'check':
      return check(command.file);
    case 'templates':
      return templates(command.template);
    case 'lab': {
      const { runLab } = await import('./lab/lab.ts');
      return runLab();
    }
    case 'sessions': {
      const { runSessions } = await import('./primary/sessions-command.ts');
      return runSessions(command.action, command.target);
    }
    case 'help':
      process.stdout.write(usage);
      return 0;
    case 'version': {
      const { readVersion } = await import('./primary/version.ts');
      process.stdout.write(`${readVersion()}\n`);
      return 0;
    }
    case undefined:
      return usageExitCode;
  }
}

type Command =
  | { readonly name: 'run' | 'check'; readonly file: string }
  | { readonly name: 'templates'; readonly template: string | undefined }
  | { readonly name: 'sessions'; readonly action: SessionsAction; readonly target: SessionsTarget }
  | { readonly name: 'lab' | 'help' | 'version' };

/** Undefined after saying what is wrong with the command line. */
function readCommand(args: readonly string[]): Command | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        admin: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean' }
      }
    });
    if (values.help === true) return { name: 'help' };
    if (values.version === true) return { name: 'version' };
    return commandOf(positionals, values.config, values.admin);
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function commandOf(
  positionals: readonly string[],
  config: string | undefined,
  admin: string | undefined
): Command | undefined {
  const [name, ...rest] = positionals;
  if (name === undefined) return refuse('a command is missing');
  if (name === 'sessions') return sessionsOf(rest, config, admin);
  if (admin !== undefined) return refuse('--admin goes with sessions');
  if (name === 'run' || name === 'check') {
    if (rest.length > 0) return refuse(`${name} takes no "${rest.join(' ')}"; use --config FILE`);
    return config === undefined ? refuse(`${name} needs --config FILE`) : { name, file: config };
  }
  if (config !== undefined) return refuse('--config goes with run, check and sessions');
  // A template's name has spaces: without quotes it comes in several pieces.
  if (name === 'templates') {
    const template = rest.length > 0 ? rest.join(' ') : undefined;
    return { name, template };
  }
  if (name !== 'lab') return refuse(`there is no command "${name}"`);
  return rest.length > 0 ? refuse('lab takes nothing') : { name };
}

function sessionsOf(
  [action, user, ...more]: readonly string[],
  file: string | undefined,
  admin: string | undefined
): Command | undefined {
  const name = 'sessions';
  if (file !== undefined && admin !== undefined) {
    return refuse('sessions takes --config or --admin, not both');
  }
  const endpoint = admin ?? '127.0.0.1:8444';
  if (!/^(?:\[[^\]]+\]|[^:/\s]+):\d{1,5}$/.test(endpoint)) {
    return refuse(`"${endpoint}" is no HOST:PORT`);
  }
  const target = file === undefined ? { endpoint } : { file };
  if (more.length > 0) return refuse(`sessions takes no "${more.join(' ')}"`);
  if (action === 'list' && user === undefined) return { name, action: { name: action }, target };
  if (action !== 'kill' && action !== 'unlock') {
    return refuse('sessions needs list, kill USER or unlock USER');
  }
  if (user === undefined || user === '') return refuse(`sessions ${action} needs a user`);
  return { name, action: { name: action, user }, target };
}

function refuse(why: string): undefined {
  process.stderr.write(`ballast: ${why}\n${usage}`);
}

async function check(file: string): Promise<number> {
  const { loadConfiguration } = await import('./config/load.ts');
  const { formatProblem } = await import('./config/problem.ts');
  const loaded = await loadConfiguration(file, { writable: false });
  if (!('problems' in loaded)) {
    process.stdout.write('ok\n');
    return 0;
  }
  process.stdout.write(loaded.problems.map((problem) => `${formatProblem(problem)}\n`).join(''));
  return 1;
}

async function templates(name: string | undefined): Promise<number> {
  const { listTemplates, renderTemplate } = await import('./config/template.ts');
  if (name === undefined) {
    process.stdout.write(
      listTemplates()
        .map((template) => `${template}\n`)
        .join('')
    );
    return 0;
  }
  const text = renderTemplate(name);
  if (text === undefined) {
    process.stderr.write(`ballast: there is no template "${name}"; "templates" lists them\n`);
    return usageExitCode;
  }
  process.stdout.write(text);
  return 0;
}

// Not the default folder: in a temporary folder for everybody, whoever came first could put code in.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/ballast', import.meta.url)));
process.exit(await main(process.argv.slice(2)));
