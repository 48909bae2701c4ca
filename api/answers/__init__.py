"""What is answered: the exact fields of each record, in the models that the description is made from as well."""
