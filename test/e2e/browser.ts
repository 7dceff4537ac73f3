/** A real Chromium without a window, this machine's own. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { PATIENCE } from './patience.ts';

const PROGRAM = '/usr/bin/chromium';

/** Where pictures of the pages go, for people to look at; none are made if it is not set. */
const PICTURES = process.env.ISLA_TEST_PICTURES;

/** Throws, with what to install, if there is none. */
export async function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: PROGRAM,
    // Its own sandbox needs what root in a container may not have; it sees pages of ours only.
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
}

export interface Opened {
  page: Page;
  /** What the page's own console has said that is no chatter: broken rules of its policy, failed loads, exceptions. */
  complaints: string[];
}

export async function openPage(browser: Browser, url: string): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000 * PATIENCE);
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  await page.goto(url);
  return { page, complaints };
}

export async function takePicture(page: Page, name: string): Promise<void> {
  if (PICTURES === undefined) return;
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name}.png`) });
}
