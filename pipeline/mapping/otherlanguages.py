"""What headings of other languages mean in English: they order suggestions and accept nothing.

German, French, Spanish, Italian and Dutch, as exports write them. Only whole headings, folded as
aliases are and without accents. What is found here is put before a person like every suggestion.
"""

from __future__ import annotations

import unicodedata

from pipeline.standardize.text import fold

_HEADINGS = {
    "patient id": "patnr, pat nr, patientennr, patientennummer, patienten id, patienten nr, "
    "patientnr, fallnummer, fallnr, kennung, numero patient, id paciente, numero de paciente, "
    "codice paziente, patientnummer",
    "last name": "nachname, familienname, zuname, nom, nom de famille, apellido, apellidos, "
    "cognome, achternaam",
    "first name": "vorname, rufname, prenom, nombre, nome, voornaam",
    "birth date": "geburtsdatum, geb, geb datum, gebdat, geburtstag, geboren, geboren am, "
    "date de naissance, naissance, ddn, fecha de nacimiento, data di nascita, geboortedatum",
    "death date": "sterbedatum, todesdatum, date de deces, fecha de defuncion",
    "sex": "geschlecht, geschl, sexe, sexo, sesso, geslacht",
    "address": "adresse, anschrift, strasse, direccion, indirizzo, adres, rue",
    "city": "ort, stadt, wohnort, ville, ciudad, citta, plaats",
    "postal code": "plz, postleitzahl, code postal, codigo postal, cap",
    "phone": "telefon, telefonnummer, handy, telephone, telefono, telefoon",
    "email": "mail, courriel, correo, correo electronico",
    "blood type": "blutgruppe, groupe sanguin, grupo sanguineo",
    "test": "analyse, analyt, untersuchung, laborwert, laborparameter, parameter, prueba, examen, "
    "analisis, esame, bepaling",
    "value": "wert, messwert, ergebnis, resultat, befund, valeur, valor, resultado, valore, "
    "risultato, uitslag, waarde",
    "unit": "einheit, einh, masseinheit, unite, unidad, unita, eenheid",
    "reference range": "referenzbereich, normbereich, normwert, valeurs de reference, "
    "rango de referencia",
    "collection date": "entnahme, entnahmedatum, entnahmezeit, abnahme, abnahmedatum, "
    "abnahmezeit, probenentnahme, probendatum, prelevement, date de prelevement, fecha de toma, "
    "data prelievo, afnamedatum",
    "observation date": "messzeit, messzeitpunkt, messdatum, gemessen am, zeitpunkt, "
    "date de mesure, fecha de medicion",
    "vital sign": "vitalzeichen, vitalparameter, vitalwert, messung, signe vital, signo vital",
    "drug name": "medikament, arzneimittel, wirkstoff, praeparat, medicament, medicamento, farmaco",
    "dose": "dosis, dosierung, posologie",
    "frequency": "haeufigkeit, einnahme, frequence, frecuencia, frequenza",
    "route": "applikation, applikationsweg, verabreichung, voie, via",
    "start date": "beginn, startdatum, date de debut, fecha de inicio, data inizio",
    "stop date": "ende, enddatum, date de fin, fecha de fin, data fine",
    "date": "datum, fecha, data",
    "weight": "gewicht, koerpergewicht, poids, peso",
    "height": "groesse, koerpergroesse, taille, altura, statura, lengte",
    "heart rate": "puls, herzfrequenz, pouls, pulso, polso, hartslag",
    "blood pressure": "blutdruck, tension arterielle, presion arterial, pressione, bloeddruk",
    "temperature": "temperatur, koerpertemperatur, temperatura, temperatuur",
}
_ENGLISH = {
    heading: english for english, headings in _HEADINGS.items() for heading in headings.split(", ")
}
_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


def in_english(label: str) -> str | None:
    """What a heading is called in English, None when it is not known here."""
    composed = unicodedata.normalize("NFC", label).casefold()
    plain = unicodedata.normalize("NFD", composed.translate(_LETTERS))
    bare = "".join(character for character in plain if not unicodedata.combining(character))
    return _ENGLISH.get(fold(bare))
