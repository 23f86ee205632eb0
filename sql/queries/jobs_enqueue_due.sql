-- Makes a run of each job whose time has come.
select pgherald.enqueue_due_jobs()
