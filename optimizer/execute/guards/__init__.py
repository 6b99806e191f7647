"""What may hold a run back from outside: gates between waves of moves, hooks before and after each.

A gate answers a question, a hook is called with a move; both have deadlines, and what gives no clear answer holds back.
When they are asked, and what follows, the core decides. Nothing in here knows the ledger or moves a VM.
"""
