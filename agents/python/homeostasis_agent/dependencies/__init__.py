"""What other programs answered: recorded while a request is served, given back when it is served again in the sandbox.

- `recording` keeps answers beside the request in flight; `replaying` gives them back; `matching` says whether two questions are the same.
- A kind of dependency is a module with the forms of its questions and answers: `sql`, `http`, `redis`.
- A library is a module named after both (`sql_sqlite`, `http_client`), with one function that patches it for recording and one for replaying.
- `clock` and `randomness` are dependencies as well: nobody is asked, but the answer is another one each time.

While recording, nothing is written down that the program does not wait for anyway: references are kept, and `described`
turns them into plain data when a failure is sent, on the agent's own thread.
"""
