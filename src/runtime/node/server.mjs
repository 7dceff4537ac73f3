/**
 * Serves one lambda inside its sandbox: one event in, one answer out, until the worker hangs up.
 *
 * Theory of operation. It is given a channel and a description (JSON: lambda, instance, memory_mb, response_bytes_max,
 * env, entry), loads the code, and then answers one frame with one frame, as runtime/python/server.py does. While a call
 * runs, the event loop turns; between two calls this process waits in a read, so nothing of the handler's runs. Before a
 * call is begun the loop turns once: what came due meanwhile, such as a connection that the other side has closed, is
 * known to the handler then.
 *
 * An answer may come bit by bit (streams.mjs): each bit is written at once, and the write waits for whoever reads.
 *
 * A load that fails is the first call's answer. What nobody caught is the answer of the call in flight, and the process
 * ends after either: nothing half-loaded or half-broken ever serves.
 */
import { finished } from 'node:stream/promises';
import { contextOf, tellTrace } from './context.mjs';
import { bodyOf, HandlerFailure, logText, rejection, textOf } from './failures.mjs';
import { findings } from './findings.mjs';
import * as frames from './frames.mjs';
import { load } from './loader.mjs';
import { Meter, writeError } from './output.mjs';
import { isStreamed, isStreaming, ResponseStream, StreamedAnswer } from './streams.mjs';
import { decode, encode } from './values.mjs';

// Bound now: a handler may replace them.
const nowMs = performance.now.bind(performance);
const { resourceUsage, exit } = process;
const { byteLength, from: toBytes } = Buffer;
const later = setImmediate;
const CRASHED = 1;
const NEVER_SETTLED = 'Runtime.NeverSettled';

export class Server {
  #channel;
  #facts;
  #codeDir;
  #onHangUp;
  #meter = new Meter();
  #handler;
  /** Why there is no handler: what was thrown, wrapped because that may be anything, undefined too. */
  #failure;
  #initUs = 0;
  #toldCpuUs = cpuUs(resourceUsage());
  /** The call in flight. */
  #call;

  /** `onHangUp` is called when the worker wants no more. */
  constructor(channel, facts, { codeDir = '/handler', onHangUp = () => exit(0) } = {}) {
    this.#channel = channel;
    this.#facts = facts;
    this.#codeDir = codeDir;
    this.#onHangUp = onHangUp;
  }

  async run() {
    const beganMs = nowMs();
    try {
      this.#handler = await load(this.#codeDir, this.#facts.entry);
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#loaded(beganMs);
  }

  /** Nobody caught it: in a timer, in a promise that was let go, in a listener. */
  uncaught(error, origin) {
    const failure = origin === 'unhandledRejection' ? rejection(error) : error;
    if (this.#handler === undefined) this.#failUnloaded(failure);
    else if (this.#call !== undefined) this.#raise(this.#call, failure, true);
    else {
      writeError(logText(failure));
      exit(CRASHED);
    }
  }

  /** The event loop has run empty: what was not said by now never will be. */
  ranEmpty() {
    const call = this.#call;
    if (this.#handler === undefined) {
      if (this.#failure === undefined) {
        this.#failUnloaded(new HandlerFailure(NEVER_SETTLED, 'the code awaits something that never comes'));
      }
    } else if (call?.stream !== undefined) call.stream.end();
    else if (call?.result !== undefined) this.#answerResult(call, call.result.value);
    else if (call?.mayCallBack) this.#answerResult(call, undefined);
    else if (call !== undefined) {
      this.#raise(call, new HandlerFailure(NEVER_SETTLED, 'the handler awaits something that never comes'));
    }
  }

  /** The process is about to end. While the code loads, that is the first call's answer. */
  exiting(status) {
    if (this.#handler !== undefined || this.#failure !== undefined) return;
    const message = `the code called process.exit(${status}) while it was loaded`;
    this.#failUnloaded(new HandlerFailure('Runtime.ExitError', message));
  }

  // -- loading --------------------------------------------------------------------------------------

  #loaded(beganMs) {
    this.#initUs = Math.round((nowMs() - beganMs) * 1000);
    if (this.#failure === undefined) later(() => this.#wait());
    else this.#tellFailure();
  }

  #failUnloaded(error) {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#tellFailure();
  }

  #tellFailure() {
    for (let frame = this.#channel.read(); frame !== undefined; frame = this.#channel.read()) {
      const isCall = frame.kind === frames.CALL;
      this.#answer(frames.INIT_FAILED, this.#failed(this.#failure.error, isCall ? decode(frame.meta).id : ''), 0);
      if (isCall) break;
    }
    exit(0);
  }

  // -- calls ----------------------------------------------------------------------------------------

  #wait() {
    const frame = this.#channel.read();
    if (frame === undefined) {
      this.#onHangUp();
    } else if (frame.kind === frames.LOAD) {
      this.#meter.begin();
      this.#answer(frames.LOADED, encode(findings()), 0);
      later(() => this.#wait());
    } else {
      const before = this.#meter.begin();
      // Who reads along while the call runs would take it for the call's.
      if (before !== undefined) this.#channel.write(frames.PRINTED_BEFORE, `{"printed":[${before}]}`, '');
      const { id, deadline, trace, client, parts } = decode(frame.meta);
      this.#call = { id, deadline, trace, client, parts, event: toBytes(frame.body), beganMs: nowMs() };
      later(() => this.#begin(this.#call));
    }
  }

  #begin(call) {
    // What came due before it has failed it already.
    if (call === undefined || call !== this.#call) return;
    let event;
    try {
      event = decode(call.event);
      call.event = undefined;
    } catch (error) {
      const failure = new HandlerFailure('Runtime.UnmarshalError', `Unable to unmarshal input: ${textOf(error)}`);
      this.#finish(call, frames.EVENT_INVALID, bodyOf(failure, call.id));
      return;
    }
    tellTrace(call.trace);
    this.#run(call, event);
  }

  #run(call, event) {
    const raise = (error) => this.#raise(call, error);
    const answer = (result) => this.#answerResult(call, result);
    const context = contextOf(this.#facts, call, { raise, answer });
    const callBack = (error, result) => {
      if (error !== undefined && error !== null) raise(error);
      else if (context.callbackWaitsForEmptyEventLoop) call.result ??= { value: result };
      else answer(result);
    };
    const handler = this.#handler;
    if (isStreaming(handler)) {
      this.#runStreaming(call, event, context);
      return;
    }
    // One that asks for a callback answers by it, unless it returns a promise.
    call.mayCallBack = handler.length >= 3;
    try {
      const returned = handler(event, context, callBack);
      if (isThenable(returned)) {
        call.mayCallBack = false;
        returned.then(answer, raise);
      } else if (!call.mayCallBack) answer(returned);
    } catch (error) {
      raise(error);
    }
  }

  /** The handler writes its answer, which is complete when it has ended that and is done itself. */
  async #runStreaming(call, event, context) {
    const answer = this.#streamed(call);
    const stream = new ResponseStream(answer);
    const written = finished(stream);
    // Whatever the handler throws first is what is told.
    written.catch(() => {});
    try {
      await this.#handler(event, stream, context);
      // What it has left to others to write goes on; the event loop runs empty when there is nothing left.
      call.stream = stream;
      await written;
      this.#endStream(call, answer);
    } catch (error) {
      this.#raise(call, error);
    }
  }

  /** A generator, or a stream. */
  async #giveAll(call, items) {
    const answer = this.#streamed(call);
    try {
      for await (const item of items) {
        // What nobody caught has failed it meanwhile.
        if (call !== this.#call) return;
        answer.give(item);
      }
      this.#endStream(call, answer);
    } catch (error) {
      this.#raise(call, error);
    }
  }

  #streamed({ parts }) {
    return new StreamedAnswer(this.#channel, { parts, bytesMax: this.#facts.response_bytes_max });
  }

  #endStream(call, answer) {
    if (call === this.#call) this.#finish(call, frames.RESULT, answer.end());
  }

  // The first word on a call is its answer; all later ones are nobody's.

  #raise(call, error, isFatal = false) {
    if (call === this.#call) this.#finish(call, frames.RAISED, this.#failed(error, call.id), isFatal);
  }

  #answerResult(call, result) {
    if (call !== this.#call || call.isStreamed) return;
    if (isStreamed(result)) {
      call.isStreamed = true;
      call.mayCallBack = false;
      void this.#giveAll(call, result);
      return;
    }
    let failure;
    try {
      const body = encode(result);
      const bytes = byteLength(body);
      const bytesMax = this.#facts.response_bytes_max;
      if (bytes <= bytesMax) {
        this.#finish(call, frames.RESULT, body);
        return;
      }
      const message = `Response payload size (${bytes} bytes) exceeded maximum allowed payload size (${bytesMax} bytes).`;
      failure = new HandlerFailure('Function.ResponseSizeTooLarge', message);
    } catch (error) {
      // A BigInt, a circle, or what a toJSON throws.
      failure = new HandlerFailure('Runtime.MarshalError', `Unable to marshal response: ${textOf(error)}`);
    }
    this.#raise(call, failure);
  }

  #finish(call, kind, body, isFatal = false) {
    this.#call = undefined;
    this.#answer(kind, body, Math.round((nowMs() - call.beganMs) * 1000));
    if (isFatal) exit(CRASHED);
    later(() => this.#wait());
  }

  /** The body of the answer; whoever reads the log later sees what the caller saw. */
  #failed(error, requestId) {
    writeError(logText(error));
    return bodyOf(error, requestId);
  }

  #answer(kind, body, runUs) {
    const used = resourceUsage();
    const cpu = cpuUs(used);
    const spent = `"cpu_us":${cpu - this.#toldCpuUs},"peak_kb":${used.maxRSS}${this.#meter.printed()}`;
    this.#toldCpuUs = cpu;
    const initUs = this.#initUs;
    this.#initUs = 0;
    this.#channel.write(kind, `{"init_us":${initUs},"run_us":${runUs},${spent}}`, body);
  }
}

function cpuUs({ userCPUTime, systemCPUTime }) {
  return userCPUTime + systemCPUTime;
}

function isThenable(value) {
  return (
    value !== null && (typeof value === 'object' || typeof value === 'function') && typeof value.then === 'function'
  );
}
