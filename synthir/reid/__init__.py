"""Visible-infrared person re-identification: pictures, protocols, an AGW-style network, and its training.

Read in this order:

    data         published layouts -> Split: pictures with identity, camera and modality;    lists: their text files
    rendered     identities drawn by this project, as a plain layout;    figure: how a person is drawn
    protocol     who is searched for among whom, and the figures: ranks, mAP, mINP
    arms         what a training does to the tones of its pictures: the arms that are compared
    synthetic    infrared pictures from a generator, kept by content
    checks       what is refused or said before anything is trained: broken pictures, leakage, terms
    sampling     the places of a batch, decided by seed and step, the same in every arm;    augment: crop, flip, erase
    batches      the pictures of a batch in the tones of an arm
    network      two first layers, shared ResNet, generalised-mean pooling, batch-norm neck
    losses       identity cross entropy and the weighted regularised triplet loss
    training     one arm and one seed, resumable
    runs         all arms and seeds, each kept in a folder of its own
    result       runs -> means, intervals, differences, verdict;    page: tables, CSV, HTML, JSON;    sheet: pictures
"""
