"""What a person looks at when a campaign has ended: the summary, and the page that shows it."""
