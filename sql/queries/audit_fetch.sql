-- The next rows of what was declared.
fetch forward 500 from audit_page
