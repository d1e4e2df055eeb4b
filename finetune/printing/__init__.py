"""What is shown of fits and of experiments: tables, words, pictures. No number is made here."""
