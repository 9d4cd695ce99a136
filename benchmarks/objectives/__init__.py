"""The objectives of the field side by side: on points in the plane (`plane`), on clothes and faces (`images`)."""
