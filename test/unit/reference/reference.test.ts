/**
 * The reference is made out of the code: what stands in docs/reference is what these tests write. When one fails, look
 * at the difference, and `npm run reference` writes it anew.
 */
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { CATALOGUE } from '../../../src/cli/catalogue.ts';
import { EXIT_CODES_HELP } from '../../../src/cli/exit-codes.ts';
import { legalValues } from '../../../src/config/field.ts';
import { everyField } from '../../../src/config/fields.ts';
import { PROBLEM_KINDS } from '../../../src/http/problem.ts';
import { MADE, tableOf } from './page.ts';

const HELP_COLUMNS = 100;

describe('the reference', () => {
  it('of commands is their help', async () => {
    const parts = await Promise.all(CATALOGUE.map(async (entry) => helpOf(entry)));
    const text = ['# Commands', MADE, fenced(EXIT_CODES_HELP), ...parts].join('\n\n');
    await expect(`${text}\n`).toMatchFileSnapshot('../../../docs/reference/commands.md');
  });

  it('of settings is their table', async () => {
    const rows = everyField().map(([key, field]) => [
      `\`${key}\``,
      field.about,
      legalValues(field),
      `\`${JSON.stringify(field.initial)}\``,
    ]);
    const table = tableOf(['key', 'what', 'legal', 'default'], rows);
    const text = ['# Settings', MADE, ABOUT_SETTINGS, table].join('\n\n');
    await expect(`${text}\n`).toMatchFileSnapshot('../../../docs/reference/settings.md');
  });

  it('of errors is what becomes of each failure over HTTP', async () => {
    const kinds = Object.values(PROBLEM_KINDS).map(({ status, errorType, retryAfterS }) => [
      `\`${errorType}\``,
      String(status),
      retryAfterS === undefined ? '' : `${retryAfterS} s`,
    ]);
    const rows = [...new Map(kinds.map((row) => [row[0], row])).values()];
    const table = tableOf(['errorType', 'status', 'Retry-After'], rows);
    const text = ['# Errors', MADE, ABOUT_ERRORS, table].join('\n\n');
    await expect(`${text}\n`).toMatchFileSnapshot('../../../docs/reference/errors.md');
  });
});

const ABOUT_SETTINGS = `What stands in a cluster's \`config/template.json\`; \`admin setconf\` changes it. Paths are relative to the cluster.`;

const ABOUT_ERRORS = `A worker's own answers that are no result are \`{"errorType", "errorMessage", "requestId"}\` with these types. What becomes of
a call that was given to code stands in [handlers.md](../handlers.md#the-answer), and the gateway has the problems of
Backend.AI ([gateway.md](../gateway.md#errors)).`;

async function helpOf({ name, about, load }: (typeof CATALOGUE)[number]): Promise<string> {
  const command = new Command('admin').command(name).description(about);
  let text = '';
  command.configureHelp({ helpWidth: HELP_COLUMNS }).configureOutput({
    writeOut: (piece) => {
      text += piece;
    },
  });
  (await load()).shape(command);
  command.outputHelp();
  return `## admin ${name}\n\n${fenced(text.trimEnd())}`;
}

function fenced(text: string): string {
  return `\`\`\`text\n${text}\n\`\`\``;
}
