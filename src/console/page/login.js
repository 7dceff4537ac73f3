/** The token, for a cookie. */
document.querySelector('#login').addEventListener('submit', async (event) => {
  event.preventDefault();
  const token = new FormData(event.target).get('token');
  const answer = await fetch('/console/api/login', {
    method: 'POST',
    body: JSON.stringify({ token }),
    headers: { 'Content-Type': 'application/json', 'X-Isla-Console': '1' },
  });
  if (answer.ok) location.assign('/console/');
  else document.querySelector('#problem').textContent = (await answer.json()).errorMessage;
});
