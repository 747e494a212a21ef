"""What the student's own attempts say: how often it is right, how it fails, where, and how hard a problem is."""
