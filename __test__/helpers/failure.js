'use strict';

/** What a call that must fail rejects with or throws. @param {() => unknown} call */
async function failure(call) {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error('the call did not fail');
}

module.exports = { failure };
