/** What becomes of a promise within a time, in milliseconds, or else of `late`. What it comes to later is nobody's affair. */
export async function within<T>(ms: number, promise: Promise<T>, late: () => T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const passed = new Promise<T>((resolve, reject) => {
    timer = setTimeout(() => {
      try {
        resolve(late());
      } catch (error) {
        reject(error);
      }
    }, ms);
  });
  promise.catch(() => {});
  return Promise.race([promise, passed]).finally(() => clearTimeout(timer));
}
