/** Kernels of other languages than Python, as far as this machine has them: one that it lacks must not be offered. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Kernel } from '../../src/session/kernel.ts';
import { type Bench, startBench } from './engine-fixture.ts';
import { languagesOn, run, startOn } from './kernel-fixture.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await startBench({ limitsMax: { memory_mb: 1024, procs: 256 } });
});
afterAll(() => bench.close());

async function withKernel<T>(language: string, use: (kernel: Kernel) => Promise<T>): Promise<T> {
  const limits = { memory_mb: 512, procs: 128 };
  const kernel = await startOn(bench, { language, limits });
  try {
    return await use(kernel);
  } finally {
    await kernel.destroy();
  }
}

/** Reads a name, greets, complains on stderr, and ends with 3 if it can say so. */
const GREETINGS: Record<string, string> = {
  c: `#include <stdio.h>
    int main(void) { char name[99]; printf("name? "); scanf("%98s", name); printf("hi %s\\n", name); fputs("oh\\n", stderr); return 3; }`,
  cpp: `#include <iostream>
    int main() { std::string name; std::cout << "name? "; std::cin >> name; std::cout << "hi " << name << "\\n"; std::cerr << "oh\\n"; return 3; }`,
  golang: `package main
import ("fmt"; "os")
func main() { var name string; fmt.Print("name? "); fmt.Scanln(&name); fmt.Println("hi", name); fmt.Fprintln(os.Stderr, "oh"); os.Exit(3) }`,
  rust: `use std::io::Write;
    fn main() { print!("name? "); std::io::stdout().flush().unwrap(); let mut name = String::new(); std::io::stdin().read_line(&mut name).unwrap();
    println!("hi {}", name.trim()); eprintln!("oh"); std::process::exit(3) }`,
  java: `public class Greeting { public static void main(String[] a) { System.out.print("name? ");
    String name = new java.util.Scanner(System.in).nextLine(); System.out.println("hi " + name); System.err.println("oh"); System.exit(3); } }`,
  r: `cat("name? "); name <- readLines(file("stdin"), 1); cat("hi", name); cat("\\n"); message("oh"); quit(status = 3)`,
  ruby: `print "name? "; name = $stdin.gets.chomp; puts "hi #{name}"; warn "oh"; exit 3`,
  php: `<?php echo "name? "; $name = trim(fgets(STDIN)); echo "hi $name\\n"; fwrite(STDERR, "oh\\n"); exit(3);`,
  lua: `io.write("name? "); local name = io.read(); print("hi " .. name); io.stderr:write("oh\\n"); os.exit(3)`,
  perl: `print "name? "; my $name = <STDIN>; chomp $name; print "hi $name\\n"; print STDERR "oh\\n"; exit 3;`,
  bash: `printf 'name? '; read name; echo "hi $name"; echo oh >&2; exit 3`,
};

/** What its programs take, by the names that people install them by. */
const TOOLS: Record<string, string> = {
  cpp: 'g++',
  c: 'gcc',
  golang: 'go',
  rust: 'rustc',
  java: 'javac',
  r: 'Rscript',
};

it('a program of a compiled language reads up to the end of its input', async () => {
  if (languagesOn(bench).idOf('c') === undefined) return;
  const code = '#include <stdio.h>\nint main(void) { int c, n = 0; while ((c = getchar()) != EOF) n++; return n; }';
  await withKernel('c', async (kernel) => {
    expect(await run(kernel, code, { answer: ['12', '34', undefined] })).toMatchObject({ exitCode: 6 });
  });
});

describe('every language', () => {
  it.each(Object.entries(GREETINGS))(
    '%s runs a program that asks, greets and fails, or is not there',
    async (id, code) => {
      if (languagesOn(bench).idOf(id) === undefined) {
        const { stdout } = await withKernel('bash', (kernel) => run(kernel, `command -v ${TOOLS[id] ?? id}`));
        expect(stdout).toBe('');
        return;
      }
      await withKernel(id, async (kernel) => {
        const told: string[] = [];
        const outcome = await run(kernel, code, {
          answer: ['Alice'],
          hear: (event) =>
            told.push(event.kind === 'output' ? event.items.map(([, data]) => data).join('') : event.kind),
        });
        expect(outcome).toMatchObject({ stdout: 'name? hi Alice\n', stderr: 'oh\n', exitCode: 3 });
        expect(told.slice(0, 2)).toEqual(['name? ', 'waiting-input']);
      });
    },
  );

  it.each([
    ['c', 'int main(void) { return missing; }', 'main.c:1:'],
    ['cpp', 'int main() { return missing; }', 'main.cpp:1:'],
    ['golang', 'package main\nfunc main() { missing() }', 'main.go:2:'],
    ['java', 'class A { public static void main(String[] a) { missing(); } }', 'Main.java:1:'],
    ['rust', 'fn main() { missing() }', 'main.rs:1:'],
    ['perl', 'print 1;\ndie "here";\n', 'main.pl line 2'],
    ['ruby', 'puts 1\nraise "here"\n', 'main.rb:2:'],
    ['lua', 'print(1)\nerror("here")\n', 'main.lua:2:'],
    ['php', '<?php\nthrow new Exception("here");\n', 'main.php:2'],
  ])('%s says in which line a program is wrong', async (id, code, place) => {
    if (languagesOn(bench).idOf(id) === undefined) return;
    const outcome = await withKernel(id, (kernel) => run(kernel, code));
    expect(outcome.stderr).toContain(place);
    expect(outcome.exitCode).not.toBe(0);
  });

  it('runs cell after cell, with the working directory as what lasts', async () => {
    await withKernel('perl', async (kernel) => {
      await run(kernel, 'open my $f, ">", "kept.txt" or die; print $f "kept";');
      expect(await run(kernel, 'open my $f, "<", "kept.txt" or die; print <$f>;')).toMatchObject({ stdout: 'kept' });
      expect((await kernel.files.list('.')).map(({ filename }) => filename)).toEqual(['kept.txt']);
    });
  });
});

describe('a program of a cell', () => {
  it('is interrupted, and the next one runs', async () => {
    await withKernel('perl', async (kernel) => {
      const running = run(kernel, '$SIG{ALRM} = sub {}; print "on\n"; sleep 1 while 1;', {
        hear: (event) => event.kind === 'output' && kernel.interrupt(),
      });
      expect(await running).toMatchObject({ stdout: 'on\n', exitCode: 130 });
      expect(await run(kernel, 'print 1')).toMatchObject({ stdout: '1', exitCode: 0 });
    });
  });

  it('that does not mind an interrupt is ended by a restart', async () => {
    await withKernel('perl', async (kernel) => {
      const running = run(kernel, '$SIG{INT} = "IGNORE"; print "on\n"; sleep 1 while 1;', {
        hear: (event) => {
          if (event.kind !== 'output') return;
          kernel.interrupt();
          void kernel.restart();
        },
      });
      expect(await running).toMatchObject({ exitCode: 130 });
      expect(await run(kernel, 'print 1')).toMatchObject({ stdout: '1', exitCode: 0 });
    });
  });

  it('may close its streams, or leave a daemon, and is over all the same', async () => {
    await withKernel('perl', async (kernel) => {
      expect(await run(kernel, 'close STDIN; print "a"; close STDOUT; close STDERR; exit 4')).toMatchObject({
        stdout: 'a',
        exitCode: 4,
      });
      const daemon =
        'use POSIX; if (!fork) { POSIX::setsid(); $SIG{PIPE} = "IGNORE"; while (1) { print "x" x 9; sleep 1 } } exit 5';
      expect(await run(kernel, daemon)).toMatchObject({ exitCode: 5 });
      expect(await run(kernel, 'print 1')).toMatchObject({ stdout: '1', exitCode: 0 });
    });
  });

  it('prints what it likes: bytes that are no text, lines without number, more than the limit', async () => {
    await withKernel('perl', async (kernel) => {
      expect(await run(kernel, 'print "a\\xff\\xc3\\xa4\\0b"')).toMatchObject({ stdout: 'a\ufffdä\0b', cut: false });
      const lines = await run(kernel, 'print "$_\n" for 1..20000');
      expect(lines).toMatchObject({ cut: false, exitCode: 0 });
      expect(lines.stdout.split('\n')).toHaveLength(20_001);
      const endless = run(kernel, '$SIG{INT} = sub { exit 6 }; print "x" x 4096 while 1;', {
        hear: (event) => event.kind === 'output' && event.cut && kernel.interrupt(),
      });
      expect(await endless).toMatchObject({ cut: true, exitCode: 6 });
    });
  });

  it('that forks without end fails by itself', async () => {
    await withKernel('perl', async (kernel) => {
      const bomb =
        '$SIG{TERM} = "IGNORE"; while (1) { last unless defined fork } print STDERR "full\n"; sleep 1 while 1;';
      const running = run(kernel, bomb, { hear: (event) => event.kind === 'output' && kernel.interrupt() });
      expect(await running).toMatchObject({ exitCode: 130 });
      expect(await run(kernel, 'print 1')).toMatchObject({ stdout: '1', exitCode: 0 });
    });
  });

  it('says that it crashed', async () => {
    const crashed = await withKernel('perl', (kernel) => run(kernel, 'kill SEGV => $$; sleep 9'));
    expect(crashed).toMatchObject({ stderr: '[the program was ended by SIGSEGV]\n', exitCode: 139 });
  });
});
