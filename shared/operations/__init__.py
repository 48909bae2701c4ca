"""Operations: model, transitions, repositories and publishing."""
